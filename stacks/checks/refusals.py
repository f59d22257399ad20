"""What CloudFormation takes, and a service refuses or never does: numbers together, things that need one another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stacks.checks import alarms
from stacks.checks.assemblies import Assembly
from stacks.checks.result import Result

Resources = Mapping[str, Any]
Properties = Mapping[str, Any]
MEMORY = (128, 10_240)
"""Megabytes of a function: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html."""
UNWINDOWED = 10
"""Messages of a queue in a batch that nothing has to wait for:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html."""
RECEIVES = (1, 1_000)
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
COLD = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
"""Days that an object lies before S3 moves it:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html."""
_EXPRESSION = re.compile(
    r"!\{(timestamp:[GuyDMLdQqYwWEecFaBhKkHmsSAnNVvzOXxZp/:._' -]+|firehose:(random-string|error-output-type)"
    r"|partitionKeyFrom(Query|Lambda):\w+)\}"
)
"""https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html, with the letters of Java's DateTimeFormatter."""
ERROR_TYPE = "!{firehose:error-output-type}"
FRAMEWORK = "framework."
"""How the handlers of CDK's provider begin: its functions share roles."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every resource of a kind that has such rules."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for stack, template in assembly.templates.items():
            for name, resource in template["Resources"].items():
                rule = _RULES.get(resource["Type"])
                count += rule is not None
                said = rule(template["Resources"], name) if rule is not None else ()
                findings += [f"{stack} {name}: {each}" for each in (*said, *_of_token(template, resource))]
            exported = json.dumps(template.get("Outputs", {}))
            findings += [f"{stack} {each}" for each in _of_roles(template["Resources"], exported)]
    return Result("refusals", "resources: what services refuse, or never do", count, tuple(findings))


def _of_function(resources: Resources, name: str) -> Iterator[str]:
    properties = resources[name]["Properties"]
    if properties.get("ReservedConcurrentExecutions") == 0:
        yield "it has no concurrency, so that it never runs"
    memory = properties.get("MemorySize", MEMORY[0])
    if isinstance(memory, int) and not MEMORY[0] <= memory <= MEMORY[1]:
        yield f"MemorySize is {memory}, outside {MEMORY[0]}…{MEMORY[1]}"


def _of_source(resources: Resources, name: str) -> Iterator[str]:
    properties = resources[name]["Properties"]
    if properties.get("Enabled") is False:
        yield "it is switched off"
    held = properties.get("EventSourceArn", {})
    named, attribute = held.get("Fn::GetAtt", ["", ""]) if isinstance(held, Mapping) else ("", "")
    source = resources.get(named, {})
    if source.get("Type") == "AWS::SQS::Queue":
        batch, window = properties.get("BatchSize", 10), properties.get("MaximumBatchingWindowInSeconds", 0)
        if isinstance(batch, int) and batch > UNWINDOWED and not window:
            yield f"BatchSize is {batch}: more than {UNWINDOWED} need a MaximumBatchingWindowInSeconds"
        if "StartingPosition" in properties:
            yield "a queue has no StartingPosition"
        yield from _of_receives(resources, properties, source["Properties"])
    elif attribute == "StreamArn":
        if "StartingPosition" not in properties:
            yield "a stream needs a StartingPosition"
        if "StreamSpecification" not in source.get("Properties", {}):
            yield f"{named} has no stream"


def _of_receives(resources: Resources, properties: Properties, queue: Properties) -> Iterator[str]:
    """Say where a queue gives a message up before its function does, which would have said why."""
    named = properties.get("FunctionName")
    called = str(named.get("Ref")) if isinstance(named, Mapping) else ""
    function = resources.get(called, {}).get("Properties", {})
    own = function.get("Environment", {}).get("Variables", {}).get("MAX_RECEIVES")
    most = queue.get("RedrivePolicy", {}).get("maxReceiveCount")
    if own is not None and isinstance(most, int) and str(own).isdigit() and int(own) >= most:
        yield f"the function gives a message up at receive {own}, and the queue at {most}"


def _of_queue(resources: Resources, name: str) -> Iterator[str]:
    most = resources[name].get("Properties", {}).get("RedrivePolicy", {}).get("maxReceiveCount", RECEIVES[0])
    if isinstance(most, int) and not RECEIVES[0] <= most <= RECEIVES[1]:
        yield f"maxReceiveCount is {most}, outside {RECEIVES[0]}…{RECEIVES[1]}"


def _of_stream(resources: Resources, name: str) -> Iterator[str]:
    to = resources[name]["Properties"].get("ExtendedS3DestinationConfiguration", {})
    prefix, failed = str(to.get("Prefix", "")), str(to.get("ErrorOutputPrefix", ""))
    if "!{" in prefix and not failed:
        yield "Prefix has expressions, so that there must be an ErrorOutputPrefix"
    if failed and ERROR_TYPE not in failed:
        yield f"ErrorOutputPrefix must have {ERROR_TYPE}"
    if ERROR_TYPE in prefix:
        yield f"Prefix must not have {ERROR_TYPE}"
    for expression in re.findall(r"!\{[^}]*\}?", f"{prefix} {failed}"):
        if not _EXPRESSION.fullmatch(expression):
            yield f"there is no expression {expression}"
    yield from _of_policies(resources, name, to.get("RoleARN"))


def _of_bucket(resources: Resources, name: str) -> Iterator[str]:
    rules = resources[name].get("Properties", {}).get("LifecycleConfiguration", {}).get("Rules", [])
    for rule in rules:
        for each in rule.get("Transitions", []):
            days, to = each.get("TransitionInDays"), each.get("StorageClass")
            if isinstance(days, int) and days < COLD.get(str(to), 0):
                yield f"a rule moves objects to {to} after {days} days, and S3 after {COLD[str(to)]} at the least"
            if isinstance(days, int) and rule.get("ExpirationInDays", days + 1) <= days:
                yield f"a rule moves objects to {to} after {days} days, when they have expired"


def _of_table(resources: Resources, name: str) -> Iterator[str]:
    properties = resources[name]["Properties"]
    indexes = [
        index
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for index in properties.get(kind, [])
    ]
    keys = {str(key["AttributeName"]) for each in (properties, *indexes) for key in each.get("KeySchema", [])}
    described = {str(each.get("AttributeName")) for each in properties.get("AttributeDefinitions", [])}
    for attribute in sorted(described ^ keys):
        yield f"the attribute {attribute} is described or a key, and must be both or neither"
    for replica in properties.get("Replicas", []):
        if replica.get("Region") != {"Ref": "AWS::Region"}:
            yield f"its replica is in {json.dumps(replica.get('Region'))}, wherever the stack is deployed"


def _of_rule(resources: Resources, name: str) -> Iterator[str]:
    if not resources[name]["Properties"].get("Targets"):
        yield "it has no target, so that nothing comes of it"
    if "DISABLED" in str(resources[name]["Properties"].get("State")):
        yield "it is switched off"


def _of_machine(resources: Resources, name: str) -> Iterator[str]:
    logs = resources[name]["Properties"].get("LoggingConfiguration", {})
    if logs.get("Level", "OFF") != "OFF":
        yield from _of_policies(resources, name, resources[name]["Properties"].get("RoleArn"))


def _of_policies(resources: Resources, name: str, role: Any) -> Iterator[str]:
    """Say which of its role's policies a resource is not made after, though it is refused without them.

    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html: a state machine's creation asks for them.
    """
    named = role.get("Fn::GetAtt", [""])[0] if isinstance(role, Mapping) else ""
    waits = resources[name].get("DependsOn", [])
    for policy, each in resources.items():
        own = each["Type"] == "AWS::IAM::Policy" and {"Ref": named} in each["Properties"].get("Roles", [])
        if own and policy not in (waits if isinstance(waits, list) else [waits]):
            yield f"it does not wait for {policy}, without which its role may not do what creating it asks"


def _of_alarm(resources: Resources, name: str) -> Iterator[str]:
    yield from alarms.faults(resources[name]["Properties"])
    if resources[name]["Properties"].get("ActionsEnabled") is False:
        yield "it rings, and tells nobody: ActionsEnabled is false"


def _of_token(template: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[str]:
    """Say where a custom resource speaks to a function of CDK's provider that does not hear it."""
    token = resource.get("Properties", {}).get("ServiceToken")
    named = token.get("Fn::GetAtt", [""])[0] if isinstance(token, Mapping) else ""
    handler = str(template["Resources"].get(named, {}).get("Properties", {}).get("Handler", ""))
    if handler.startswith(FRAMEWORK) and handler != f"{FRAMEWORK}onEvent":
        yield f"ServiceToken names {named}, whose handler is {handler} and not {FRAMEWORK}onEvent"


def _of_roles(resources: Resources, exported: str) -> Iterator[str]:
    """Say which function acts in another's role, and which role nobody takes."""
    taken: dict[str, list[str]] = {}
    for name, each in resources.items():
        if each["Type"] == "AWS::Lambda::Function":
            role = each["Properties"].get("Role")
            taken.setdefault(json.dumps(role), []).append(name)
    for role, names in taken.items():
        ours = [n for n in names if not str(resources[n]["Properties"].get("Handler")).startswith(FRAMEWORK)]
        if len(names) > 1 and ours:
            yield f"{' and '.join(sorted(names))} act in one role, {role}"
    for name, each in resources.items():
        if each["Type"] == "AWS::IAM::Role" and f'"{name}"' not in exported:
            others = [
                o.get("Properties", {}) for o in resources.values() if not o["Type"].startswith("AWS::IAM::")
            ]
            if not any(f'"{name}"' in json.dumps(other) for other in others):
                yield f"{name} is a role that nothing takes"


_RULES: Mapping[str, Callable[[Resources, str], Iterator[str]]] = {
    "AWS::Lambda::Function": _of_function,
    "AWS::Lambda::EventSourceMapping": _of_source,
    "AWS::SQS::Queue": _of_queue,
    "AWS::CloudWatch::Alarm": _of_alarm,
    "AWS::KinesisFirehose::DeliveryStream": _of_stream,
    "AWS::S3::Bucket": _of_bucket,
    "AWS::DynamoDB::GlobalTable": _of_table,
    "AWS::Events::Rule": _of_rule,
    "AWS::StepFunctions::StateMachine": _of_machine,
}
