"""Decides whether a deployment must train, and how its training ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lambda_src.adapters.training import Training
from lambda_src.errors import ServiceBusyError, TrainingFailedError, TrainingRejectedError
from lambda_src.naming import REASONS
from lambda_src.observability import logger

REASON_LIMIT = 900
"""Characters: CloudFormation takes 4 KiB in all, and shows about a thousand."""
UNDER_WAY = ("RUNNING", "PENDING_REDRIVE")
JOBS = ("TrainingJobName", "ProcessingJobName", "TransformJobName", "HyperParameterTuningJobName")


def where_to_start(properties: Mapping[str, Any], champion: Mapping[str, str]) -> str | None:
    """Return the step to start at, or nothing when the champion is what these properties would make."""
    if properties["AtDeploy"] != "true":
        return None
    if champion.get("training_fingerprint") != properties["TrainingFingerprint"]:
        return "stage"
    if champion.get("serving_fingerprint") != properties["ServingFingerprint"]:
        return "package"
    return None


def execution_name(request_id: str, properties: Mapping[str, Any]) -> str:
    """Return a name that is the same at every delivery of one request, and new at the next."""
    seed = "\n".join((request_id, properties["TrainingFingerprint"], properties["ServingFingerprint"]))
    return f"deploy-{hashlib.sha256(seed.encode()).hexdigest()[:32]}"


def on_event(event: Mapping[str, Any], prefix: str, training: Training) -> dict[str, Any]:
    """Start the workflow where it must run.

    The physical ID never changes: CloudFormation would delete the "old" resource after an update. A start
    that fails is reported by `is_complete`: it may have started after all, and where this call throws, the
    later delete never reaches this code.
    """
    answer: dict[str, Any] = {"PhysicalResourceId": prefix, "Data": {"ExecutionArn": ""}}
    if event["RequestType"] == "Delete":
        return answer
    properties = event["ResourceProperties"]
    start = where_to_start(properties, training.champion())
    if start is None:
        logger().info("nothing to train", extra={"at_deploy": properties["AtDeploy"]})
        return answer
    name = execution_name(event["RequestId"], properties)
    answer["Data"]["ExecutionArn"] = training.execution_arn(name)
    try:
        training.start(name, {"start": start, "reason": "deploy"})
    except Exception as error:
        logger().exception("start failed")
        answer["Data"]["StartError"] = _sentence(str(error))
    return answer


def is_complete(event: Mapping[str, Any], training: Training) -> dict[str, bool]:
    """Say whether the training of a create or update has ended.

    Raises
    ------
    TrainingFailedError, TrainingRejectedError
        With the reason that a person at the terminal needs.
    """
    data = event.get("Data") or {}
    execution = data.get("ExecutionArn")
    if not execution:
        return {"IsComplete": True}
    try:
        described = training.describe(execution)
        champion = training.champion()
    except ServiceBusyError:
        logger().warning("asking again later", exc_info=True)
        return {"IsComplete": False}
    if described is None:
        if data.get("StartError"):
            raise TrainingFailedError(f"The training could not be started: {data['StartError']}")
        return {"IsComplete": False}  # descriptions follow starts with a delay
    if described["status"] in UNDER_WAY:
        return {"IsComplete": False}
    if described["status"] != "SUCCEEDED":
        raise TrainingFailedError(failure(described))
    _judge(json.loads(described.get("output") or "{}"), execution, has_champion=bool(champion))
    return {"IsComplete": True}


def _judge(output: Mapping[str, Any], execution: str, *, has_champion: bool) -> None:
    """Accept a run's outcome, or raise."""
    status = output.get("status")
    if status == "rejected":
        reason = _sentence(str(output.get("reason") or "no reason was given")).rstrip(".")
        said = f"The model was rejected: {reason}. The report is {output.get('evaluation_uri')}."
        if not has_champion:
            raise TrainingRejectedError(said)
        logger().warning(said)  # the champion stays, and the deployment is sound
    elif status not in ("promoted", "shadowing", "unchanged"):
        raise TrainingFailedError(f"The execution {execution} ended with the unknown status {status!r}.")


def failure(described: Mapping[str, Any]) -> str:
    """Return in one sentence why an execution failed: the job's own reason where there is one."""
    error, cause = described.get("error") or "", described.get("cause") or ""
    job = ""
    try:
        details = json.loads(cause)
    except ValueError:
        details = None
    if isinstance(details, dict):
        cause = next((details[name] for name in REASONS if details.get(name)), cause)
        job = next((f" in {details[name]}" for name in JOBS if details.get(name)), "")
        error = details.get("errorType", error)
    ended = str(described["status"]).lower().replace("_", " ")
    said = _sentence(str(cause)) or f"the execution {described.get('executionArn', '')} {ended}"
    # Step Functions' own names say nothing that a person could use.
    kind = "" if not error or error.startswith("States.TaskFailed") else f"{error}: "
    return f"Training failed{job}: {kind}{said}"


def _sentence(text: str) -> str:
    return " ".join(text.split())[:REASON_LIMIT]
