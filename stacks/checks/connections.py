"""What services of AWS do to one another: who may deliver where, what a rule hears, what an alarm watches.

None of it is asked of an IAM role of ours, so neither a run under IAM's evaluation nor the check of roles sees it,
and CloudFormation takes every mistake in it: deliveries fail, rules and alarms stay silent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.deliveries import deliveries, of_access_logs, properties_of, receiver_of, resolved
from stacks.checks.longest import export
from stacks.checks.permissions import listed
from stacks.checks.rendering import RenderingError
from stacks.checks.result import Result
from stacks.checks.watching import of_actions, of_alarm

SENT = {
    "aws.s3": {
        *("Object Created", "Object Deleted", "Object Restore Initiated", "Object Restore Completed"),
        *("Object Restore Expired", "Object Tags Added", "Object Tags Deleted", "Object ACL Updated"),
        *("Object Storage Class Changed", "Object Access Tier Changed"),
    },
    "aws.states": {"Step Functions Execution Status Change"},
}
"""What each service sends to EventBridge by itself; another service is to be added here:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html"""
EXPIRING = {
    "AccessLogsBucket": "records of access, which nobody needs for ever",
}
"""Buckets whose current objects a rule may delete wherever they lie, and why."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every rule, alarm, queue, event source and lifecycle rule."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for stack, name, resource in assembly.resources(*_LOOKS):
            count += 1
            said = _LOOKS[resource["Type"]](assembly, stack, name)
            findings += [f"{stack} {name}: {each}" for each in said]
    return Result("connections", "rules, alarms, dead letters, event sources, expiry", count, tuple(findings))


def _of_rule(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    properties = properties_of(assembly, stack, name)
    own = {"Fn::GetAtt": [name, "Arn"]}
    for target in properties.get("Targets", []):
        if "RoleArn" in target:
            yield from _starts(assembly, stack, target)
        else:
            yield from deliveries(assembly, stack, target.get("Arn"), "events.amazonaws.com", own)
        letters = target.get("DeadLetterConfig", {}).get("Arn")
        if letters is None:
            yield "what cannot be delivered has no queue of dead letters"
        else:
            yield from deliveries(assembly, stack, letters, "events.amazonaws.com", own)
    yield from _of_pattern(assembly, properties.get("EventPattern", {}))


def _starts(assembly: Assembly, stack: str, target: Mapping[str, Any]) -> Iterator[str]:
    """Say whether the role that a rule starts a state machine in may do that."""
    where, machine = resolved(assembly, stack, target.get("Arn"))
    found = assembly.templates[where]["Resources"].get(machine.get("Ref"), {})
    if found.get("Type") != "AWS::StepFunctions::StateMachine":
        yield f"it starts {json.dumps(target.get('Arn'))}, which is no state machine"
        return
    place, role = resolved(assembly, stack, target["RoleArn"])
    if not any(
        statement["Effect"] == "Allow"
        and "states:StartExecution" in listed(statement.get("Action"))
        and (where, machine)
        in (resolved(assembly, place, each) for each in listed(statement.get("Resource")))
        for own, _, policy in assembly.resources("AWS::IAM::Policy")
        if own == place and {"Ref": role.get("Fn::GetAtt", [""])[0]} in policy["Properties"].get("Roles", [])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ):
        yield f"its role may not start {json.dumps(target.get('Arn'))}"


def _of_pattern(assembly: Assembly, pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, Mapping):
        return
    for source in pattern.get("source", []):
        kinds = pattern.get("detail-type", [])
        yield from (f"{source} sends no event {each!r}" for each in kinds if each not in SENT.get(source, ()))
    if "aws.s3" not in pattern.get("source", []):
        return
    detail = pattern.get("detail", {})
    bucket_pattern = detail.get("bucket", {}) if isinstance(detail, Mapping) else detail
    if not isinstance(bucket_pattern, Mapping):
        yield f"its pattern asks for {json.dumps(bucket_pattern)}, where events have fields"
        return
    for bucket in bucket_pattern.get("name", []):
        try:
            stack, held = export(bucket["Fn::ImportValue"], assembly)
            resource = assembly.templates[stack]["Resources"][held["Ref"]]
        except (KeyError, TypeError, RenderingError):
            yield f"it listens to {json.dumps(bucket)}, which is no bucket of this deployment"
            continue
        sends = resource.get("Properties", {}).get("NotificationConfiguration", {})
        if resource["Type"] != "AWS::S3::Bucket":
            yield f"it listens to {held['Ref']}, which is no bucket"
        elif sends.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled") is not True:
            yield f"it listens to {held['Ref']}, which sends EventBridge nothing"


def _of_queue(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    redrive = properties_of(assembly, stack, name).get("RedrivePolicy")
    if isinstance(redrive, Mapping):
        to = redrive.get("deadLetterTargetArn")
        found, _ = receiver_of(assembly, stack, to)
        if not found or found == name:
            yield f"its dead letters go to {json.dumps(to)}, which is no other queue of this stack"


def _of_source(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    properties = properties_of(assembly, stack, name)
    if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
        yield "one bad record has its whole batch repeated: set ReportBatchItemFailures"
    to = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if to is not None and not receiver_of(assembly, stack, to)[0]:
        yield f"its dead letters go to {json.dumps(to)}, which is no queue of this stack by its ARN"


def _of_bucket(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    rules = properties_of(assembly, stack, name).get("LifecycleConfiguration", {}).get("Rules", [])
    for rule in rules:
        ends = any(key in rule for key in ("ExpirationInDays", "ExpirationDate"))
        if ends and not rule.get("Prefix") and not any(map(name.startswith, EXPIRING)):
            yield "a rule deletes current objects wherever they lie: give it a prefix"
    logging = properties_of(assembly, stack, name).get("LoggingConfiguration", {})
    if "DestinationBucketName" in logging:
        yield from of_access_logs(assembly, stack, name, logging)


_LOOKS = {
    "AWS::Events::Rule": _of_rule,
    "AWS::CloudWatch::Alarm": of_alarm,
    "AWS::CloudWatch::CompositeAlarm": of_actions,
    "AWS::SQS::Queue": _of_queue,
    "AWS::Lambda::EventSourceMapping": _of_source,
    "AWS::S3::Bucket": _of_bucket,
}
