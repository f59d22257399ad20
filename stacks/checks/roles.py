"""Every role trusts the service that takes it, allows what it used on the local cloud, and nothing on everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.permissions import listed, needs, statements
from stacks.checks.rendering import machines
from stacks.checks.result import Result
from stacks.checks.trusts import shared, untrusted

USED = Path(__file__).with_name("used.json")
"""What each role used when the app was deployed, run and destroyed under IAM's evaluation: actions, and on what.
Written, and held to what it is, by tests/integration/workflow/test_roles.py."""
MANAGED = {
    "service-role/AWSLambdaBasicExecutionRole": [
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    ],
}
"""What AWS's managed policies allow, of those that CDK's own functions come with:
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html."""
HOLDING = (
    *("", "iam:PassedToService", "iam:AWSServiceName", "cloudwatch:namespace", "kms:GrantIsForAWSResource"),
    *("application-autoscaling:service-namespace", "application-autoscaling:scalable-dimension"),
)
"""Conditions that hold when the app asks, and none; any other is taken not to."""
PASSED_TO = "iam:PassedToService"
_REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_"
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData": f"{_REFERENCE}amazoncloudwatch.html",
    "dynamodb:ListStreams": f"{_REFERENCE}amazondynamodb.html",
    "ecr:GetAuthorizationToken": f"{_REFERENCE}amazonelasticcontainerregistry.html",
    **{
        f"sagemaker:List{kind}": f"{_REFERENCE}amazonsagemakerai.html"
        for kind in (
            *("TrainingJobs", "ProcessingJobs", "TransformJobs", "HyperParameterTuningJobs"),
            *("Endpoints", "EndpointConfigs", "Models"),
        )
    },
    "logs:*LogDeliver*": "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "logs:DescribeLogGroups": "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "logs:*ResourcePolic*": "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "xray:GetSampling*": f"{_REFERENCE}awsx-ray.html",
    "xray:PutTelemetryRecords": f"{_REFERENCE}awsx-ray.html",
    "xray:PutTraceSegments": f"{_REFERENCE}awsx-ray.html",
}
"""Actions that AWS authorises on no single resource, with the page that says so."""


RARE = {
    # A destruction in the middle of a training: tests/integration/workflow/test_destroy.py.
    "TrainOnDeployIsCompleteRole": {
        "states:StopExecution": ["execution:"],
        **{
            f"sagemaker:Stop{kind}Job": [f"{kind.lower()}-job/"]
            for kind in ("Training", "Processing", "Transform")
        },
        "sagemaker:StopHyperParameterTuningJob": ["hyper-parameter-tuning-job/"],
    },
    # Lambda's own, for records that failed to the end.
    "ResultsPublishRole": {"sqs:SendMessage": ["deadletters"]},
}
"""What a role needs when something goes wrong, which nothing did while its use was recorded."""
SEARCH = "CreateHyperParameterTuningJob"
TRAINING = (("sagemaker:CreateTrainingJob", "training-job/"), ("sagemaker:AddTags", "training-job/"))
"""What a machine that searches leaves to SageMaker, and the deployment whose use was recorded does itself."""
OPTIONAL = (
    *("application-autoscaling:PutScalingPolicy", "application-autoscaling:PutScheduledAction"),
    *("application-autoscaling:RegisterScalableTarget", "dynamodb:UpdateItem", "states:DescribeExecution"),
)
"""What Tasks do that the deployment whose use was recorded has by its settings, and another may not."""
SCALING = (
    *("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "iam:CreateServiceLinkedRole"),
    *("sagemaker:UpdateEndpointWeightsAndCapacities", "sagemaker:DescribeEndpointConfig"),
)
"""What Application Auto Scaling asks of whoever registers with it, and nobody else needs."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every role of every stack."""
    findings: list[str] = []
    count = 0
    used = needed()
    for assembly in assemblies:
        asked = _asked(assembly)
        findings += [*untrusted(assembly), *_uncaptured(assembly)]
        for stack, name, role in assembly.resources("AWS::IAM::Role"):
            count += 1
            own = list(statements(assembly, stack, name))
            findings += [f"{stack} {name}: {each}" for each in (*shared(role["Properties"]), *_wide(own))]
            own += [
                {"Effect": "Allow", "Action": actions, "Resource": "*"}
                for policy, actions in MANAGED.items()
                if policy in json.dumps(role["Properties"].get("ManagedPolicyArns", []))
            ]
            findings += [
                f"{stack} {name}: it used {action} on {mark or 'no resource'}, and does not allow it"
                for action, marks in used.get(role_name(name), {}).items()
                for mark in marks
                if not _allows(own, action, mark) and not _left_out(asked.get((stack, name)), action, mark)
            ]
    return Result("roles", "trust, actions used when run, no wildcards", count, tuple(findings))


def _asked(assembly: Assembly) -> dict[tuple[str, str], set[str]]:
    """Return what the Tasks of each machine need, by the stack and the name of its role."""
    return {
        (
            each.stack,
            assembly.templates[each.stack]["Resources"][each.name]["Properties"]["RoleArn"]["Fn::GetAtt"][0],
        ): {need.action for _, task in each.tasks() for need in needs(task)}
        for each in machines(assembly, REFERENCE)
    }


def _left_out(asked: set[str] | None, action: str, mark: str) -> bool:
    """Say whether a machine has not the Tasks for which its role once used an action."""
    if asked is None:
        return False
    return (
        (action in OPTIONAL and action not in asked)
        or (action in SCALING and "application-autoscaling:RegisterScalableTarget" not in asked)
        or ((action, mark) in TRAINING and f"sagemaker:{SEARCH}" in asked)
    )


def needed() -> dict[str, dict[str, list[str]]]:
    """Return what each role used, and what it will at times that the recorded deployment did not have."""
    used = recorded()
    for role, rare in RARE.items():
        used[role] = {**used.get(role, {}), **rare}
    return used


def recorded() -> dict[str, dict[str, list[str]]]:
    """Return what each role used: marks of resources by action."""
    used: dict[str, dict[str, list[str]]] = json.loads(USED.read_text(encoding="utf-8"))
    return used


def role_name(logical_id: str) -> str:
    """Return a role's name without the hash that CDK appends."""
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


def _allows(own: Sequence[Mapping[str, Any]], action: str, mark: str) -> bool:
    matching = [each for each in own if _names(each, action) and _has(each, mark)]
    if any(each["Effect"] != "Allow" for each in matching):
        return False
    return any(
        key in HOLDING
        for each in matching
        for condition in (each.get("Condition") or {"": {"": ""}}).values()
        for key in condition
    )


def _has(statement: Mapping[str, Any], mark: str) -> bool:
    """Say whether a statement's resources can be those that bear a mark: a name in the template, or a kind."""
    resources = [str(each).lower() for each in listed(statement.get("Resource", []))]
    return any(each == "*" or mark.lower() in each for each in resources)


def _names(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(each).lower()) for each in listed(statement.get("Action", [])))


def _wide(own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for statement in own:
        if statement["Effect"] != "Allow":
            continue
        for action in map(str, listed(statement.get("Action", []))):
            if action.lower() == "iam:passrole" and PASSED_TO not in json.dumps(statement.get("Condition")):
                yield f"it passes roles on to whatever service: {PASSED_TO} says to which"
            if not action.rpartition(":")[2].strip("*?"):
                yield f"it allows {action}"
            free = any(fnmatchcase(action.lower(), known.lower()) for known in WITHOUT_RESOURCE)
            if "*" in listed(statement.get("Resource", [])) and not free:
                yield f"it allows {action} on every resource"


def _uncaptured(assembly: Assembly) -> Iterator[str]:
    """Say where an endpoint captures answers that its models' role may not write: SageMaker says nothing of it."""
    for machine in machines(assembly, REFERENCE):
        calls = list(machine.calls())
        acting = {
            str(given["ExecutionRoleArn"]).rpartition("/")[2]
            for _, _, given in calls
            if "ExecutionRoleArn" in given
        }
        for name, _, given in calls:
            place = str(given.get("DataCaptureConfig", {}).get("DestinationS3Uri", ""))
            path = place.removeprefix("s3://").partition("/")[2].strip("/")
            for role in sorted(acting) if place else ():
                written = [
                    str(resource)
                    for each in statements(assembly, machine.stack, role)
                    if each["Effect"] == "Allow" and _names(each, "s3:PutObject")
                    for resource in listed(each.get("Resource", []))
                ]
                if not any(each == "*" or each.endswith(f"/{path}/*") for each in written):
                    yield f"{machine.stack} {name}: {role} may not write what is captured below {path}"
