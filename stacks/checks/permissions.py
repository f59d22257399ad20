"""Whether a state machine's role allows what its Tasks ask for: actions, roles passed, rules of `.sync`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines, render
from stacks.checks.result import Result

PREFIXES = {"sfn": "states", "applicationautoscaling": "application-autoscaling"}
"""Services whose actions bear another name in IAM than in the SDK."""
ALIASES = {
    ("s3", "GetObject", "VersionId"): "GetObjectVersion",
    ("s3", "GetObjectTagging", "VersionId"): "GetObjectVersionTagging",
    ("s3", "PutObjectTagging", "VersionId"): "PutObjectVersionTagging",
}
"""S3 authorises an operation on a named version as another action."""
RULES = {
    "CreateTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "CreateTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "CreateHyperParameterTuningJob": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "CreateProcessingJob": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
}
"""Rules by which `.sync` hears of a job's end:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html."""
TARGETS = {
    **dict.fromkeys(("TableName", "QueueUrl", "TopicArn", "DeliveryStreamName"), ""),
    "EndpointName": "endpoint/",
    "EndpointConfigName": "endpoint-config/",
    "ModelName": "model/",
}
"""Arguments that name what is acted upon, where the template knows it, and what its ARN has before the name."""
_EXPORT = re.compile(r"\bexportsoutput(?:ref|fngetatt)(\w+?[0-9a-f]{8})(?:arn)?[0-9a-f]{8}\b")
"""A bucket of another stack, whose name and whose ARN come under two names."""
ROLES = ("RoleArn", "ExecutionRoleArn")
PASSED = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
"""The condition that holds whenever a Task passes a role on; any other is taken not to."""


@dataclass(frozen=True)
class Need:
    """
    What a Task must be allowed to do.

    Parameters
    ----------
    target
        A part of the ARN that the action must be allowed on; empty where only a run knows it.
    condition
        The condition that holds when the Task asks; one statement without any does, too.
    """

    action: str
    target: str = ""
    condition: Mapping[str, Any] = field(default_factory=dict, hash=False)


def check(assemblies: Sequence[Assembly]) -> Result:
    """Compare the needs of every Task with the policies of its machine's role."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            role = assembly.templates[machine.stack]["Resources"][machine.name]["Properties"]["RoleArn"]
            own = list(statements(assembly, machine.stack, role["Fn::GetAtt"][0]))
            for name, task in machine.tasks():
                for need in needs(task):
                    count += 1
                    if not _allowed(own, need):
                        on = f" on {need.target}" if need.target else ""
                        findings.append(f"{machine.stack} {name}: the role lacks {need.action}{on}")
    return Result("permissions", "what Tasks need of their machine's role", count, tuple(findings))


def needs(task: Mapping[str, Any]) -> Iterator[Need]:
    """Yield what a Task needs to be allowed."""
    resource, given = str(task["Resource"]), task.get("Arguments") or task.get("Parameters") or {}
    if ":lambda:" in resource:
        yield Need("lambda:InvokeFunction", resource.rpartition(":")[2])
        return
    _, _, call = resource.partition(":states:::")
    call, _, pattern = call.partition(".")
    service, _, operation = call.removeprefix("aws-sdk:").partition(":")
    if not isinstance(given, Mapping):
        given = {}
    prefix, name = PREFIXES.get(service, service), operation[0].upper() + operation[1:]
    for argument in given:
        name = ALIASES.get((service, name, argument), name)
    holds = (
        {"StringEquals": {"cloudwatch:namespace": given.get("Namespace")}} if "MetricData" in given else {}
    )
    if service == "applicationautoscaling":
        keys = {"service-namespace": "ServiceNamespace", "scalable-dimension": "ScalableDimension"}
        holds = {"StringEquals": {f"{prefix}:{key}": given.get(member) for key, member in keys.items()}}
    yield Need(f"{prefix}:{name}", _target(given), holds)
    if service == "sagemaker":
        yield from _needs_of_sagemaker(name, given, pattern)


def _target(given: Mapping[str, Any]) -> str:
    """Return what a call acts upon, as far as the template knows it: a part of an ARN; of S3's, bucket and key."""
    if "Bucket" in given:
        bucket, key = str(given["Bucket"]), str(given.get("Key", ""))
        return "" if _computed(bucket) else f"{bucket}/{'' if _computed(key) else key}" if key else bucket
    for argument, before in TARGETS.items():
        if argument in given:
            named = str(given[argument])
            return "" if _computed(named) else before + named.rpartition(":")[2]
    return ""


def _computed(value: str) -> bool:
    return value.startswith("{%")


def _needs_of_sagemaker(name: str, given: Mapping[str, Any], pattern: str) -> Iterator[Need]:
    if "Tags" in given:
        yield Need("sagemaker:AddTags")
    for argument in ROLES:
        if argument in given:
            yield Need("iam:PassRole", str(given[argument]).rpartition("/")[2], PASSED)
    if "AutoRollbackConfiguration" in given.get("DeploymentConfig", {}):
        yield Need("cloudwatch:DescribeAlarms")
    if pattern.startswith("sync"):
        job = name.removeprefix("Create")
        yield Need(f"sagemaker:Describe{job}")
        yield Need(f"sagemaker:Stop{job}")
        for action in ("PutTargets", "PutRule", "DescribeRule"):
            # An action that has no `.sync` has no rule either, and none can be granted.
            yield Need(f"events:{action}", RULES.get(name, f"the rule for {name}.sync, which there is not"))


def statements(assembly: Assembly, stack: str, role: str) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a role's own policies, rendered."""
    template = assembly.templates[stack]
    documents = [
        each["PolicyDocument"] for each in template["Resources"][role]["Properties"].get("Policies", [])
    ]
    for place, _, policy in assembly.resources("AWS::IAM::Policy"):
        if place == stack and {"Ref": role} in policy["Properties"].get("Roles", []):
            documents.append(policy["Properties"]["PolicyDocument"])
    for document in documents:
        if isinstance(document, Mapping):
            yield from render(document["Statement"], template, REFERENCE)


def _matches(statement: Mapping[str, Any], need: Need) -> bool:
    resources = [str(each) for each in listed(statement.get("Resource", []))]
    # IAM compares actions without regard to case.
    action = need.action.lower()
    return any(fnmatchcase(action, str(each).lower()) for each in listed(statement.get("Action", []))) and (
        not need.target or any(_covers(each, need.target) for each in resources)
    )


def _covers(resource: str, target: str) -> bool:
    """Say whether a statement's resource has what a Task names; of a bucket alone, something in it."""
    own, target = (_EXPORT.sub(r"\1", each) for each in (resource.rpartition(":")[2], target))
    if target.endswith("/"):
        return resource == "*" or own.startswith(target)
    return resource == "*" or own.endswith(target) or fnmatchcase(target, own)


def _allowed(own: Sequence[Mapping[str, Any]], need: Need) -> bool:
    matching = [each for each in own if _matches(each, need)]
    return not any(each["Effect"] == "Deny" for each in matching) and any(
        each.get("Condition", {}) in ({}, need.condition) for each in matching
    )


def listed(value: Any) -> list[Any]:
    """Return what a template gives as one, as several, or not at all."""
    return value if isinstance(value, list) else [] if value is None else [value]
