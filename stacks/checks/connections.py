"""What services of AWS do to one another: who may deliver where, what a rule hears, what an alarm watches.

None of it is asked of an IAM role of ours, so neither a run under IAM's evaluation nor the check of roles sees it,
and CloudFormation takes every mistake in it: deliveries fail, rules and alarms stay silent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.longest import export
from stacks.checks.rendering import RenderingError, machines
from stacks.checks.result import Result
from stacks.workflow.analysis import NAMESPACE, PUBLISHED


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


@dataclass(frozen=True)
class Metric:
    """
    A metric that AWS publishes.

    Parameters
    ----------
    dimensions
        Exactly these, or the alarm watches something that nobody publishes.
    unit
        The only one that an alarm may name.
    """

    dimensions: frozenset[str]
    unit: str


_ENDPOINT = frozenset({"EndpointName", "VariantName"})
_MACHINE = frozenset({"StateMachineArn"})
_QUEUE = frozenset({"QueueName"})
_OURS = frozenset({"Classifier", "Endpoint"})
METRICS = {
    **{
        ("AWS/SageMaker", name): Metric(_ENDPOINT, "None")
        for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
    },
    ("AWS/SageMaker", "ModelLatency"): Metric(_ENDPOINT, "Microseconds"),
    **{
        ("/aws/sagemaker/Endpoints", name): Metric(_ENDPOINT, "Percent")
        for name in ("CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization")
    },
    **{
        ("AWS/States", name): Metric(_MACHINE, "Count")
        for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
    },
    ("AWS/Lambda", "IteratorAge"): Metric(frozenset({"FunctionName"}), "Milliseconds"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): Metric(_QUEUE, "Seconds"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): Metric(_QUEUE, "Count"),
    **{(NAMESPACE, name): Metric(_OURS, "None") for name in PUBLISHED},
}
"""What is published, by the services (another one is to be added here) and by the analysis:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html,
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html,
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html."""
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


def _properties(assembly: Assembly, stack: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = assembly.templates[stack]["Resources"][name].get("Properties", {})
    return found


def _of_rule(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    properties = _properties(assembly, stack, name)
    own = {"Fn::GetAtt": [name, "Arn"]}
    for target in properties.get("Targets", []):
        if "RoleArn" in target:
            yield from _starts(assembly, stack, target)
        else:
            yield from _deliveries(assembly, stack, target.get("Arn"), "events.amazonaws.com", own)
        letters = target.get("DeadLetterConfig", {}).get("Arn")
        if letters is None:
            yield "what cannot be delivered has no queue of dead letters"
        else:
            yield from _deliveries(assembly, stack, letters, "events.amazonaws.com", own)
    yield from _of_pattern(assembly, properties.get("EventPattern", {}))


def _starts(assembly: Assembly, stack: str, target: Mapping[str, Any]) -> Iterator[str]:
    """Say whether the role that a rule starts a state machine in may do that."""
    where, machine = _resolved(assembly, stack, target.get("Arn"))
    found = assembly.templates[where]["Resources"].get(machine.get("Ref"), {})
    if found.get("Type") != "AWS::StepFunctions::StateMachine":
        yield f"it starts {json.dumps(target.get('Arn'))}, which is no state machine"
        return
    place, role = _resolved(assembly, stack, target["RoleArn"])
    if not any(
        statement["Effect"] == "Allow"
        and "states:StartExecution" in _listed(statement.get("Action"))
        and (where, machine)
        in (_resolved(assembly, place, each) for each in _listed(statement.get("Resource")))
        for own, _, policy in assembly.resources("AWS::IAM::Policy")
        if own == place and {"Ref": role.get("Fn::GetAtt", [""])[0]} in policy["Properties"].get("Roles", [])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ):
        yield f"its role may not start {json.dumps(target.get('Arn'))}"


def _resolved(assembly: Assembly, stack: str, value: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the stack that has what a value names, and the value as it is written there."""
    try:
        place, held = export(value["Fn::ImportValue"], assembly)
    except (KeyError, TypeError, RenderingError):
        return stack, value if isinstance(value, Mapping) else {}
    return place, held


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


def _deliveries(assembly: Assembly, stack: str, to: Any, service: str, source: Any) -> Iterator[str]:
    """Say whether a receiver's own policy refuses a service that acts for a source."""
    stack, to = _resolved(assembly, stack, to)
    name, receiver = _receiver(assembly, stack, to)
    if receiver is None:
        yield f"it delivers to {json.dumps(to)}, which is no queue and no topic by its ARN"
        return
    if not any(
        _allows(statement, to, receiver.action, service, source)
        for statement in _statements(assembly, stack, name, receiver)
    ):
        yield f"no policy of {name} lets {service} {receiver.action.partition(':')[2]} for it"
    key = _properties(assembly, stack, name).get("KmsMasterKeyId")
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
                for action in _listed(statement.get("Action"))
            ]
            return all(any(fnmatchcase(need, each) for each in allowed) for need in ENCRYPTING)
    return False


def _receiver(assembly: Assembly, stack: str, to: Any) -> tuple[str, Receiver | None]:
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
    if not any(fnmatchcase(action, each) for each in _listed(statement.get("Action"))):
        return False
    return to in _listed(statement.get("Resource")) and _holds(statement.get("Condition", {}), source)


def _holds(condition: Mapping[str, Any], source: Any) -> bool:
    """Tell whether a condition holds for a source of this account, of which nothing else is known."""
    known = {"aws:SourceArn": source, "aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    return all(
        operator in ("ArnEquals", "ArnLike", "StringEquals") and key in known and known[key] in _listed(value)
        for operator, wanted in condition.items()
        for key, value in wanted.items()
    )


def _of_actions(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    own = {"Fn::GetAtt": [name, "Arn"]}
    actions = _properties(assembly, stack, name).get("AlarmActions", [])
    if not actions:
        yield "it tells nobody"
    for action in actions:
        yield from _deliveries(assembly, stack, action, "cloudwatch.amazonaws.com", own)


def _of_alarm(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    properties = _properties(assembly, stack, name)
    yield from _of_actions(assembly, stack, name)
    watched = (properties.get("Namespace"), properties.get("MetricName"))
    metric = METRICS.get((str(watched[0]), str(watched[1])))
    if metric is None:
        yield f"nobody publishes {' '.join(map(str, watched))}, as far as this check knows"
        return
    dimensions = {str(each.get("Name")): each.get("Value") for each in properties.get("Dimensions", [])}
    if set(dimensions) != metric.dimensions:
        yield f"{watched[1]} has the dimensions {', '.join(sorted(metric.dimensions))}, no others and no fewer"
        return
    if properties.get("Unit", metric.unit) != metric.unit:
        yield f"{watched[1]} is published as {metric.unit}, never as {properties['Unit']}"
    yield from _of_dimensions(assembly, stack, dimensions)


def _of_dimensions(assembly: Assembly, stack: str, dimensions: Mapping[str, Any]) -> Iterator[str]:
    """Say whether what an alarm watches is there."""
    served = set(_variants(assembly))
    if "VariantName" in dimensions and (dimensions["EndpointName"], dimensions["VariantName"]) not in served:
        yield f"it watches {dimensions}, and the state machine makes {sorted(served)}"
    if "Endpoint" in dimensions and dimensions["Endpoint"] not in {endpoint for endpoint, _ in served}:
        yield f"it watches {dimensions}, and the state machine makes {sorted(served)}"
    if "Classifier" in dimensions and not str(dimensions["Endpoint"]).endswith(
        f"-{dimensions['Classifier']}"
    ):
        yield f"it watches {dimensions}, and that endpoint is another classifier's"
    for key, kind in (("StateMachineArn", "StepFunctions::StateMachine"), ("QueueName", "SQS::Queue")):
        place, held = _resolved(assembly, stack, dimensions.get(key))
        name = held.get("Ref") or held.get("Fn::GetAtt", [""])[0]
        found = assembly.templates[place]["Resources"].get(name, {}).get("Type")
        if key in dimensions and found != f"AWS::{kind}":
            yield f"it watches {json.dumps(dimensions[key])}, which is no {kind}"


def _variants(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Yield endpoint and variant, as the state machines create them."""
    for machine in machines(assembly, REFERENCE):
        endpoints, variants = set(), set()
        for _, action, given in machine.calls():
            if action == "createEndpoint":
                endpoints.add(given.get("EndpointName"))
            if action == "createEndpointConfig":
                variants |= {each.get("VariantName") for each in given.get("ProductionVariants", [])}
        yield from ((str(endpoint), str(variant)) for endpoint in endpoints for variant in variants)


def _of_queue(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    redrive = _properties(assembly, stack, name).get("RedrivePolicy")
    if isinstance(redrive, Mapping):
        to = redrive.get("deadLetterTargetArn")
        found, _ = _receiver(assembly, stack, to)
        if not found or found == name:
            yield f"its dead letters go to {json.dumps(to)}, which is no other queue of this stack"


def _of_source(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    properties = _properties(assembly, stack, name)
    if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
        yield "one bad record has its whole batch repeated: set ReportBatchItemFailures"
    to = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if to is not None and not _receiver(assembly, stack, to)[0]:
        yield f"its dead letters go to {json.dumps(to)}, which is no queue of this stack by its ARN"


def _of_bucket(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    rules = _properties(assembly, stack, name).get("LifecycleConfiguration", {}).get("Rules", [])
    for rule in rules:
        ends = any(key in rule for key in ("ExpirationInDays", "ExpirationDate"))
        if ends and not rule.get("Prefix") and not any(map(name.startswith, EXPIRING)):
            yield "a rule deletes current objects wherever they lie: give it a prefix"
    logging = _properties(assembly, stack, name).get("LoggingConfiguration", {})
    if "DestinationBucketName" in logging:
        yield from _of_access_logs(assembly, stack, name, logging)


def _of_access_logs(assembly: Assembly, stack: str, name: str, logging: Mapping[str, Any]) -> Iterator[str]:
    """Say why S3 would not deliver a bucket's access logs; it tells nobody."""
    to, prefix = logging["DestinationBucketName"], logging.get("LogFilePrefix", "")
    target = str(to.get("Ref")) if isinstance(to, Mapping) else ""
    if target not in assembly.templates[stack]["Resources"]:
        yield f"its access logs go to {json.dumps(to)}, which is no bucket of this stack"
        return
    encryption = _properties(assembly, stack, target).get("BucketEncryption", {})
    for rule in encryption.get("ServerSideEncryptionConfiguration", []):
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        if rule.get("ServerSideEncryptionByDefault", {}).get("SSEAlgorithm") != "AES256":
            yield f"{target} is encrypted with a key, and S3 delivers access logs only where SSE-S3 is the default"
    written = json.dumps({"Fn::GetAtt": [target, "Arn"]})
    if not any(
        statement["Effect"] == "Allow"
        and json.dumps(statement["Resource"]).startswith(f'{{"Fn::Join": ["", [{written}, "/')
        and fnmatchcase(f"/{prefix}log", str(statement["Resource"]["Fn::Join"][1][1]))
        and _holds(statement.get("Condition", {}), {"Fn::GetAtt": [name, "Arn"]})
        and statement.get("Principal") == {"Service": "logging.s3.amazonaws.com"}
        and "s3:PutObject" in _listed(statement.get("Action"))
        for resource in assembly.templates[stack]["Resources"].values()
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": target}
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ):
        yield f"no policy of {target} lets logging.s3.amazonaws.com put access logs of this bucket at {prefix!r}"


_LOOKS = {
    "AWS::Events::Rule": _of_rule,
    "AWS::CloudWatch::Alarm": _of_alarm,
    "AWS::CloudWatch::CompositeAlarm": _of_actions,
    "AWS::SQS::Queue": _of_queue,
    "AWS::Lambda::EventSourceMapping": _of_source,
    "AWS::S3::Bucket": _of_bucket,
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
