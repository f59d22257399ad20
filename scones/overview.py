"""Reads what a deployment is doing: stacks, endpoint, champion, queues, last trainings."""

from __future__ import annotations

from typing import Any

from scones.pausing import taken
from scones.state import item_of
from scones.target import Target

QUEUES = {"inbound": "InboundQueueUrl", "review": "ReviewQueueUrl", "dead letters": "DeadLetterQueueUrl"}
CHAMPION = ("run", "dataset_version", "accuracy", "model_package_arn", "recorded_at")
EXECUTIONS = 5


def overview(target: Target) -> dict[str, Any]:
    """Return a deployment's state; parts that do not exist are empty."""
    stacks: dict[str, str] = {}
    outputs: dict[str, str] = {}
    for name in (*target.stacks, f"{target.prefix}-monitoring"):
        described = target.describe(name)
        stacks[name] = described["StackStatus"] if described else "not deployed"
        for each in (described or {}).get("Outputs", []):
            outputs[each["OutputKey"]] = each["OutputValue"]
    table, source = outputs.get("StateTableName"), outputs.get("InboundSourceId")
    return {
        "where": target.where,
        "deployment": target.prefix,
        "stacks": stacks,
        "endpoint": _endpoint(target),
        "paused_since": _item(target, table, "paused").get("paused_at", ""),
        "images_taken": taken(target, source) if source else None,
        "champion": {key: each for key, each in _item(target, table, "champion").items() if key in CHAMPION},
        "queues": {name: _depth(target, outputs[key]) for name, key in QUEUES.items() if key in outputs},
        "trainings": _trainings(target, outputs.get("TrainingStateMachineArn")),
    }


def _endpoint(target: Target) -> dict[str, str]:
    from botocore.exceptions import ClientError  # noqa: PLC0415  # `--help` need not pay for it

    try:
        found = target.clients("sagemaker").describe_endpoint(EndpointName=target.prefix)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            return {}
        raise
    shadow = {}
    if found.get("ShadowProductionVariants"):
        config = target.clients("sagemaker").describe_endpoint_config(
            EndpointConfigName=found["EndpointConfigName"]
        )
        shadow = {"in its shadow": config["ShadowProductionVariants"][0]["ModelName"]}
    return {
        "name": target.prefix,
        "status": found["EndpointStatus"],
        **shadow,
        **({"reason": found["FailureReason"]} if found.get("FailureReason") else {}),
    }


def _item(target: Target, table: str | None, name: str) -> dict[str, str]:
    return item_of(target, table, name) if table else {}


def _depth(target: Target, url: str) -> dict[str, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = target.clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return {"waiting": int(found.get(names[0], 0)), "in work": int(found.get(names[1], 0))}


def _trainings(target: Target, machine: str | None) -> list[dict[str, str]]:
    if machine is None:
        return []
    found = target.clients("stepfunctions").list_executions(stateMachineArn=machine, maxResults=EXECUTIONS)
    return [
        {"name": each["name"], "status": each["status"], "started": str(each["startDate"])[:19]}
        for each in found["executions"]
    ]
