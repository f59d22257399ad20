"""What people regret to have left out: lines that are safe, logs that end and have room, keys that turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.permissions import listed
from stacks.checks.result import Result
from stacks.settings import load

POLICIES = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket", "s3:*"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
}
"""Resources whose own policies must refuse actions without TLS, where such a policy names them, and which actions."""
ANYBODY = ("*", {"AWS": "*"})
PLAIN_HTTP = '"aws:SecureTransport": "false"'
DATA = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::DynamoDB::Table")
"""What the setting `retention` is about: pictures, models, decisions and the key that opens them."""
VENDED = "/aws/vendedlogs/"
"""Log groups below it have one entry together: https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html."""
OLD_TLS = '"NumericLessThan": {"s3:TlsVersion": 1.2}'


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check the resources of every stack."""
    findings = []
    count = 0
    for assembly in assemblies:
        for stack, template in assembly.templates.items():
            count += len(template["Resources"])
            findings += [f"{stack} {each}" for each in _of_stack(template["Resources"])]
        kept = load(assembly.settings, assembly.env, overlay=assembly.overlay).retention == "retain"
        findings += [
            f"{stack} {name}: it has the policy {resource.get('DeletionPolicy')}, and the settings "
            f"{'keep' if kept else 'delete'} data"
            for stack, name, resource in assembly.resources(*DATA)
            if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
            != ("Retain" if kept else "Delete",) * 2
        ]
    return Result("safeguards", "resources: TLS, rotation, retention, own logs", count, tuple(findings))


def _of_stack(resources: Mapping[str, Any]) -> Iterator[str]:
    for name, resource in resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in POLICIES and not _refuses(resources, name, *POLICIES[kind], PLAIN_HTTP):
            yield f"{name}: no policy refuses requests without TLS"
        if kind == "AWS::S3::Bucket" and not _refuses(resources, name, *POLICIES[kind], OLD_TLS):
            yield f"{name}: no policy refuses versions of TLS before 1.2"
        if kind == "AWS::KMS::Key" and properties.get("EnableKeyRotation") is not True:
            yield f"{name}: the key does not rotate"
        if kind == "AWS::Logs::LogGroup" and "RetentionInDays" not in properties:
            yield f"{name}: the log group keeps everything for ever"
        if kind == "AWS::Lambda::Function" and "LogGroup" not in properties.get("LoggingConfig", {}):
            yield f"{name}: the function logs to a group that nobody owns"
        if kind == "AWS::StepFunctions::StateMachine":
            yield from (f"{name}: {each}" for each in _of_destinations(resources, properties))
        if kind == "AWS::SQS::Queue" and properties.get("SqsManagedSseEnabled") is not True:
            yield f"{name}: the queue is not encrypted"


def _of_destinations(resources: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    """Say which log group of a state machine fills the policy that CloudWatch Logs keeps for all that deliver."""
    for destination in properties.get("LoggingConfiguration", {}).get("Destinations", []):
        arn = destination.get("CloudWatchLogsLogGroup", {}).get("LogGroupArn", {})
        group = arn.get("Fn::GetAtt", [""])[0] if isinstance(arn, Mapping) else ""
        name = str(resources.get(group, {}).get("Properties", {}).get("LogGroupName"))
        if not name.startswith(VENDED):
            yield f"its log group's name is not below {VENDED}, and takes room in a policy that has 5,120 characters"


def _refuses(
    resources: Mapping[str, Any], name: str, kind: str, where: str, actions: str, condition: str
) -> bool:
    """Say whether a resource's own policy refuses actions on it that meet a condition, whoever asks."""
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if resource["Type"] == kind and {"Ref": name} in listed(properties.get(where)):
            for statement in properties.get("PolicyDocument", {}).get("Statement", []):
                if (
                    statement["Effect"] == "Deny"
                    and statement.get("Principal") in ANYBODY
                    and actions in listed(statement.get("Action"))
                    and f'"{name}"' in json.dumps(statement.get("Resource"))
                    and condition in json.dumps(statement.get("Condition"))
                ):
                    return True
    return False
