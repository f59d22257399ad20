"""Lists all that exists in a local cloud, so that what a deployment leaves behind can be seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import psutil

from localcloud.instance import ACCOUNT, Instance
from localcloud.processes import belonging

# (what to call it, boto3 client, operation, where the list is, the member that names an entry)
LISTS = (
    ("s3:bucket", "s3", "list_buckets", "Buckets", "Name"),
    ("sqs:queue", "sqs", "list_queues", "QueueUrls", None),
    ("sns:topic", "sns", "list_topics", "Topics", "TopicArn"),
    ("dynamodb:table", "dynamodb", "list_tables", "TableNames", None),
    ("logs:group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("iam:role", "iam", "list_roles", "Roles", "RoleName"),
    ("lambda:function", "lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda:event-source", "lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("states:machine", "stepfunctions", "list_state_machines", "stateMachines", "stateMachineArn"),
    ("events:bus", "events", "list_event_buses", "EventBuses", "Name"),
    ("cloudwatch:alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch:dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("ssm:parameter", "ssm", "describe_parameters", "Parameters", "Name"),
    ("firehose:stream", "firehose", "list_delivery_streams", "DeliveryStreamNames", None),
    ("cloudformation:stack", "cloudformation", "describe_stacks", "Stacks", "StackName"),
    ("sagemaker:model", "sagemaker", "list_models", "Models", "ModelName"),
    (
        "sagemaker:endpoint-config",
        "sagemaker",
        "list_endpoint_configs",
        "EndpointConfigs",
        "EndpointConfigName",
    ),
    ("sagemaker:endpoint", "sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
    (
        *("sagemaker:model-package-group", "sagemaker", "list_model_package_groups"),
        *("ModelPackageGroupSummaryList", "ModelPackageGroupName"),
    ),
    (
        *("sagemaker:model-package", "sagemaker", "list_model_packages"),
        *("ModelPackageSummaryList", "ModelPackageArn"),
    ),
)
RUNNING_JOBS = (
    (
        *("sagemaker:hyper-parameter-tuning-job", "list_hyper_parameter_tuning_jobs"),
        *("HyperParameterTuningJobSummaries", "HyperParameterTuningJobName"),
    ),
    ("sagemaker:training-job", "list_training_jobs", "TrainingJobSummaries", "TrainingJobName"),
    ("sagemaker:processing-job", "list_processing_jobs", "ProcessingJobSummaries", "ProcessingJobName"),
    ("sagemaker:transform-job", "list_transform_jobs", "TransformJobSummaries", "TransformJobName"),
)
SHARED_LOGS = tuple(
    f"logs:group//aws/sagemaker/{kind}Jobs" for kind in ("Processing", "Training", "Transform")
)
"""The log groups of SageMaker's jobs belong to the account, on AWS too: no deployment removes them."""
WORKER = re.compile(r"/ministack-lambda-(?P<name>[^/]+)-[^/-]+(/|$)")
"""The folder that a function's process runs in."""


def _pages(client: Any, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**parameters)
    else:
        yield getattr(client, operation)(**parameters)


def inventory(instance: Instance) -> list[str]:
    """Return a sorted line for everything that exists, and for every process of a job or an endpoint."""
    found: list[str] = []
    clients: dict[str, Any] = {}
    for label, service, operation, where, name in LISTS:
        client = clients.setdefault(service, instance.client(service))
        for page in _pages(client, operation):
            found += [f"{label}/{entry[name] if name else entry}" for entry in page.get(where, [])]
    for label, operation, where, name in RUNNING_JOBS:
        for status in ("InProgress", "Stopping"):
            for page in _pages(clients["sagemaker"], operation, StatusEquals=status):
                found += [f"{label}/{entry[name]}" for entry in page.get(where, [])]
    found += _keys(instance)
    found += _within(clients)
    found += _told(instance, clients)
    for page in _pages(clients["iam"], "list_policies", Scope="Local"):
        found += [f"iam:policy/{entry['PolicyName']}" for entry in page["Policies"]]
    functions = {
        each.removeprefix("lambda:function/") for each in found if each.startswith("lambda:function/")
    }
    found += _processes(instance, functions)
    return sorted(each for each in found if each not in SHARED_LOGS)


def _within(clients: dict[str, Any]) -> Iterator[str]:
    """Name what can only be listed within something else: rules of a bus, executions of a machine."""
    events, states = clients["events"], clients["stepfunctions"]
    for bus in events.list_event_buses()["EventBuses"]:
        for page in _pages(events, "list_rules", EventBusName=bus["Name"]):
            yield from (f"events:rule/{bus['Name']}/{entry['Name']}" for entry in page["Rules"])
    for listed in _pages(states, "list_state_machines"):
        for machine in listed["stateMachines"]:
            if machine["type"] == "EXPRESS":
                continue
            arn = machine["stateMachineArn"]
            for page in _pages(states, "list_executions", stateMachineArn=arn, statusFilter="RUNNING"):
                yield from (f"states:execution/{entry['executionArn']}" for entry in page["executions"])


def _told(instance: Instance, clients: dict[str, Any]) -> Iterator[str]:
    """Name what watches others: alarms over alarms, scaling, and budgets, which belong to an account."""
    for page in _pages(clients["cloudwatch"], "describe_alarms", AlarmTypes=["CompositeAlarm"]):
        yield from (f"cloudwatch:composite-alarm/{entry['AlarmName']}" for entry in page["CompositeAlarms"])
    scaled = instance.client("application-autoscaling")
    for page in _pages(scaled, "describe_scalable_targets", ServiceNamespace="sagemaker"):
        yield from (
            f"application-autoscaling:target/{entry['ResourceId']}" for entry in page["ScalableTargets"]
        )
    for page in _pages(instance.client("budgets"), "describe_budgets", AccountId=ACCOUNT):
        yield from (f"budgets:budget/{entry['BudgetName']}" for entry in page.get("Budgets", []))


def _keys(instance: Instance) -> list[str]:
    kms = instance.client("kms")
    lines = []
    for page in _pages(kms, "list_keys"):
        for entry in page["Keys"]:
            described = kms.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
            if described["KeyState"] != "PendingDeletion" and described.get("KeyManager") != "AWS":
                lines.append(f"kms:key/{entry['KeyId']}")
    return lines


def _processes(instance: Instance, functions: Collection[str]) -> Iterable[str]:
    """Name the processes of jobs, containers and deleted functions; warm functions' and the emulator's own are not."""
    for process in belonging(instance.identity):
        if process.pid == instance.pid:
            continue
        command = _attempt(process.cmdline)
        workers = [found["name"] for word in command if (found := WORKER.search(word))]
        if command and not set(workers) & set(functions):
            yield f"process/{' '.join(command)[:120]}"


def _attempt(read: Callable[[], list[str]]) -> list[str]:
    try:
        return read()
    except psutil.Error:
        return []


def leftovers(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Return what exists after that did not exist before."""
    return sorted(set(after) - set(before))
