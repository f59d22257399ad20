"""Who may deliver where: the policies of queues, topics, keys and buckets towards services of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.longest import export
from stacks.checks.permissions import listed
from stacks.checks.rendering import RenderingError


@dataclass(frozen=True)
class Receiver:
    """How a kind of resource is delivered to: what its own policy is, where that names it, what must be allowed."""

    policy: str
    names: str
    action: str
    attribute: str


RECEIVERS = {
    "AWS::SQS::Queue": Receiver("AWS::SQS::QueuePolicy", "Queues", "sqs:SendMessage", "Arn"),
    "AWS::SNS::Topic": Receiver("AWS::SNS::TopicPolicy", "Topics", "sns:Publish", ""),
}
"""`Ref` of a topic is its ARN; a queue's is its URL, and its ARN an attribute."""


ENCRYPTING = ("kms:Decrypt", "kms:GenerateDataKey")
"""https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"""


def properties_of(assembly: Assembly, stack: str, name: str) -> Mapping[str, Any]:
    """Return what a template says of a resource."""
    found: Mapping[str, Any] = assembly.templates[stack]["Resources"][name].get("Properties", {})
    return found


def resolved(assembly: Assembly, stack: str, value: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the stack that has what a value names, and the value as it is written there."""
    try:
        place, held = export(value["Fn::ImportValue"], assembly)
    except (KeyError, TypeError, RenderingError):
        return stack, value if isinstance(value, Mapping) else {}
    return place, held


def deliveries(assembly: Assembly, stack: str, to: Any, service: str, source: Any) -> Iterator[str]:
    """Say whether a receiver's own policy refuses a service that acts for a source."""
    stack, to = resolved(assembly, stack, to)
    name, receiver = receiver_of(assembly, stack, to)
    if receiver is None:
        yield f"it delivers to {json.dumps(to)}, which is no queue and no topic by its ARN"
        return
    if not any(
        _allows(statement, to, receiver.action, service, source)
        for statement in _statements(assembly, stack, name, receiver)
    ):
        yield f"no policy of {name} lets {service} {receiver.action.partition(':')[2]} for it"
    key = properties_of(assembly, stack, name).get("KmsMasterKeyId")
    if key is not None and not _uses(assembly, stack, key, service):
        yield f"{name} is encrypted with a key whose policy does not let {service} use it"


def _uses(assembly: Assembly, stack: str, key: Any, service: str) -> bool:
    """Tell whether a key's own policy lets a service encrypt with it; the policies of AWS's own keys never do."""
    for name, resource in assembly.templates[stack]["Resources"].items():
        if resource["Type"] == "AWS::KMS::Key" and key in ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]}):
            allowed = [
                str(action)
                for statement in resource["Properties"]["KeyPolicy"]["Statement"]
                if statement["Effect"] == "Allow" and statement.get("Principal") == {"Service": service}
                for action in listed(statement.get("Action"))
            ]
            return all(any(fnmatchcase(need, each) for each in allowed) for need in ENCRYPTING)
    return False


def receiver_of(assembly: Assembly, stack: str, to: Any) -> tuple[str, Receiver | None]:
    """Return the queue or topic that a value names as a receiver, and how it is delivered to."""
    for name, resource in assembly.templates[stack]["Resources"].items():
        receiver = RECEIVERS.get(resource["Type"])
        if receiver is not None:
            attribute = receiver.attribute
            if to == ({"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}):
                return name, receiver
    return "", None


def _statements(assembly: Assembly, stack: str, name: str, receiver: Receiver) -> Iterator[Mapping[str, Any]]:
    for resource in assembly.templates[stack]["Resources"].values():
        properties = resource.get("Properties", {})
        named = properties.get(receiver.names)
        if resource["Type"] == receiver.policy and isinstance(named, list) and {"Ref": name} in named:
            yield from properties.get("PolicyDocument", {}).get("Statement", [])


def _allows(statement: Mapping[str, Any], to: Any, action: str, service: str, source: Any) -> bool:
    if statement.get("Effect") != "Allow" or statement.get("Principal") != {"Service": service}:
        return False
    if not any(fnmatchcase(action, each) for each in listed(statement.get("Action"))):
        return False
    return to in listed(statement.get("Resource")) and holds(statement.get("Condition", {}), source)


def holds(condition: Mapping[str, Any], source: Any) -> bool:
    """Tell whether a condition holds for a source of this account, of which nothing else is known."""
    known = {"aws:SourceArn": source, "aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    return all(
        operator in ("ArnEquals", "ArnLike", "StringEquals") and key in known and known[key] in listed(value)
        for operator, wanted in condition.items()
        for key, value in wanted.items()
    )


def of_access_logs(assembly: Assembly, stack: str, name: str, logging: Mapping[str, Any]) -> Iterator[str]:
    """Say why S3 would not deliver a bucket's access logs; it tells nobody."""
    to, prefix = logging["DestinationBucketName"], logging.get("LogFilePrefix", "")
    target = str(to.get("Ref")) if isinstance(to, Mapping) else ""
    if target not in assembly.templates[stack]["Resources"]:
        yield f"its access logs go to {json.dumps(to)}, which is no bucket of this stack"
        return
    encryption = properties_of(assembly, stack, target).get("BucketEncryption", {})
    for rule in encryption.get("ServerSideEncryptionConfiguration", []):
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        if rule.get("ServerSideEncryptionByDefault", {}).get("SSEAlgorithm") != "AES256":
            yield f"{target} is encrypted with a key, and S3 delivers access logs only where SSE-S3 is the default"
    written = json.dumps({"Fn::GetAtt": [target, "Arn"]})
    if not any(
        statement["Effect"] == "Allow"
        and json.dumps(statement["Resource"]).startswith(f'{{"Fn::Join": ["", [{written}, "/')
        and fnmatchcase(f"/{prefix}log", str(statement["Resource"]["Fn::Join"][1][1]))
        and holds(statement.get("Condition", {}), {"Fn::GetAtt": [name, "Arn"]})
        and statement.get("Principal") == {"Service": "logging.s3.amazonaws.com"}
        and "s3:PutObject" in listed(statement.get("Action"))
        for resource in assembly.templates[stack]["Resources"].values()
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": target}
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ):
        yield f"no policy of {target} lets logging.s3.amazonaws.com put access logs of this bucket at {prefix!r}"
