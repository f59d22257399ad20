"""Faults that people make in templates: in policies, resources, their properties and what connects them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from stacks.checks import connections, names, resource_faults, roles
from stacks.checks.changes import Change, always, at, misspelt, renamed, without
from stacks.checks.variables import SHARED

ENUMERATED = frozenset(
    (
        *("BillingMode", "StreamViewType", "SSEAlgorithm", "Runtime", "Mode", "Level", "ComparisonOperator"),
        *(
            "StateMachineType",
            "KeyType",
            "AttributeType",
            "CompressionFormat",
            "ObjectOwnership",
            "Statistic",
        ),
        *("TreatMissingData", "StartingPosition", "KeySpec", "KeyUsage"),
    )
)
"""Properties whose values are words that CloudFormation lists."""
BOUNDED = {
    "Timeout": 901,
    "MemorySize": 64,
    "BatchSize": 100_001,
    "RetentionInDays": 8,
    "MessageRetentionPeriod": 59,
}
"""Properties with a range, and a value outside it."""
SAFEGUARDS = frozenset(
    (
        *("BucketEncryption", "EnableKeyRotation", "LoggingConfiguration", "PublicAccessBlockConfiguration"),
        *("SSESpecification", "SqsManagedSseEnabled", "KmsMasterKeyId", "RedrivePolicy", "RetentionInDays"),
        *("VersioningConfiguration", "TracingConfiguration", "DeadLetterConfig"),
    )
)
"""Properties whose absence CloudFormation takes, and people regret."""
ENCRYPTION = (
    "BucketEncryption",
    "ServerSideEncryptionConfiguration",
    0,
    "ServerSideEncryptionByDefault",
    "SSEAlgorithm",
)


def of_policies(template: Mapping[str, Any]) -> Iterator[tuple[str, str, Change]]:
    """Yield roles that trust another, and permissions that are missing, misspelt or too wide."""
    for name, resource in template["Resources"].items():
        path = ["Resources", name, "Properties"]
        if resource["Type"] == "AWS::IAM::Role":
            trust = [*path, "AssumeRolePolicyDocument", "Statement", 0]
            wrong = {"Service": "ec2.amazonaws.com"}
            yield "a role that trusts another service", name, at([*trust, "Principal"], always(wrong))
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        asked = {
            action
            for role in resource["Properties"]["Roles"]
            for action in roles.recorded().get(roles.role_name(role["Ref"]), {})
        }
        yield "a policy of no role", name, at([*path, "Roles"], lambda _: [])
        for number, statement in enumerate(resource["Properties"]["PolicyDocument"]["Statement"]):
            here = [*path, "PolicyDocument", "Statement", number]
            where = f"{name} {number}"
            yield "Allow that is Deny", where, at([*here, "Effect"], lambda _: "Deny")
            yield "an Effect misspelt", where, at([*here, "Effect"], lambda _: "Alow")
            yield "every action allowed", where, at([*here, "Action"], lambda _: "*")
            yield "every action allowed", f"{where} in other words", at([*here, "Action"], always("s3:?*"))
            yield "an action misspelt", where, at([*here, "Action"], _first_misspelt)
            actions = statement["Action"]
            for position, action in enumerate(actions if isinstance(actions, list) else ()):
                # CDK's grants are wider than what is asked for: to leave out the rest would be no fault.
                if any(fnmatchcase(used.lower(), action.lower()) for used in asked):
                    less = at([*here, "Action"], partial(_less, position))
                    yield "an action left out", f"{where}.{position}", less
            elsewhere = "arn:aws:s3:::elsewhere/*"
            yield "another resource allowed", where, at([*here, "Resource"], always(elsewhere))
            unlikely = {"StringEquals": {"aws:PrincipalTag/colour": "blue"}}
            yield "a condition that never holds", where, at([*here, "Condition"], always(unlikely))
            if statement.get("Resource") != "*":
                yield "every resource allowed", where, at([*here, "Resource"], lambda _: "*")
            yield "an action of no service", where, at([*here, "Action"], lambda _: "sagemakers:CreateModel")
            if "Resource" in statement:
                yield "a statement without Resource", where, without(here, "Resource")


def _less(position: int, actions: list[str]) -> list[str]:
    return [each for number, each in enumerate(actions) if number != position]


def _first_misspelt(actions: Any) -> Any:
    named = actions if isinstance(actions, list) else [actions]
    return [misspelt(named[0].rstrip("*")), *named[1:]]


def of_template(template: Mapping[str, Any]) -> Iterator[tuple[str, str, Change]]:
    """Yield faults in resources, in their properties, and in what one has of another."""
    for name, resource in template["Resources"].items():
        if not resource["Type"].startswith(("Custom::", "AWS::CDK::")):
            yield from _of_resource(name, ["Resources", name], resource)
    for mapping, keys in template.get("Mappings", {}).items():
        for key, values in keys.items():
            for inner, value in values.items():
                if re.fullmatch(r"\d{12}", str(value)):
                    account = at(["Mappings", mapping, key, inner], lambda _: "210987654321")
                    yield "an image of another account", f"{mapping} {key}", account
    for name, output in template.get("Outputs", {}).items():
        yield "an output of no resource", name, at(["Outputs", name, "Value"], lambda _: {"Ref": "Nothing"})
        if "Export" in output:
            renamed = at(["Outputs", name, "Export", "Name"], lambda old: old + "x")
            yield "an import that nobody exports", name, renamed
            same = at(["Outputs", name, "Export", "Name"], lambda _: "SharedOutput")
            yield "a name that every deployment has", f"{name} Export", same
    for name, resource in template["Resources"].items():
        if "ServiceTimeout" in resource.get("Properties", {}):
            short = at(["Resources", name, "Properties", "ServiceTimeout"], lambda _: "600")
            yield "CloudFormation waits less than what it waits for", name, short


def _of_resource(
    name: str, path: list[Any], resource: Mapping[str, Any]
) -> Iterator[tuple[str, str, Change]]:
    kind, properties = resource["Type"], resource.get("Properties", {})
    yield "a resource's type misspelt", name, at([*path, "Type"], misspelt)
    yield "DependsOn names no resource", name, at([*path, "DependsOn"], lambda _: "Nothing")
    for key in sorted(SAFEGUARDS & set(properties)):
        yield "a safeguard left out", f"{name} {key}", without([*path, "Properties"], key)
    if kind == "AWS::S3::BucketPolicy":
        yield "a safeguard left out", name, without(["Resources"], name)
    if kind == "AWS::SQS::Queue" and "VisibilityTimeout" in properties:
        short = at([*path, "Properties", "VisibilityTimeout"], lambda _: 1)
        yield "a queue that hides messages too short", name, short
    yield from _of_connection(name, [*path, "Properties"], kind, properties)
    yield from _of_service(name, [*path, "Properties"], kind, properties)
    yield from _of_name(name, [*path, "Properties"], kind)
    for key, value in properties.items():
        yield "a property misspelt", f"{name} {key}", renamed([*path, "Properties"], key)
        yield from _of_property(f"{name} {key}", [*path, "Properties", key], value)
    yield from resource_faults.of_resource(name, [*path, "Properties"], kind, properties)
    if kind == "AWS::Lambda::Function":
        yield from _of_function(name, [*path, "Properties"], properties)


def _of_name(name: str, path: list[Any], kind: str) -> Iterator[tuple[str, str, Change]]:
    for named, member in names.LIMITS:
        if kind == named:
            yield (
                "a name that every deployment has",
                name,
                at([*path, *member.split(".")], lambda _: "shared"),
            )


def _of_connection(
    name: str, path: list[Any], kind: str, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str, Change]]:
    """Yield faults in what services do to one another."""
    if kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for number, statement in enumerate(properties["PolicyDocument"]["Statement"]):
            here = [*path, "PolicyDocument", "Statement", number]
            if "Service" in (statement["Principal"] if isinstance(statement["Principal"], dict) else {}):
                other = {"Service": "s3.amazonaws.com"}
                yield "a delivery that is not allowed", name, at([*here, "Principal"], always(other))
                yield (
                    "a delivery that is not allowed",
                    name,
                    at([*here, "Action"], always("sqs:ReceiveMessage")),
                )
                account = {"StringEquals": {"aws:SourceAccount": "210987654321"}}
                yield "a delivery that is not allowed", name, at([*here, "Condition"], always(account))
    if kind == "AWS::CloudWatch::Alarm":
        yield "a metric that nobody publishes", name, at([*path, "MetricName"], misspelt)
        yield "a metric that nobody publishes", name, at([*path, "Namespace"], lambda _: "SageMaker")
        yield "an alarm in another unit", name, at([*path, "Unit"], lambda _: "Milliseconds")
        yield "an alarm that tells nobody", name, without(path, "AlarmActions")
        for number, _ in enumerate(properties["Dimensions"]):
            here = [*path, "Dimensions", number]
            yield "a dimension of something else", f"{name} {number}", at([*here, "Value"], _elsewhere)
            yield "a dimension of something else", f"{name} {number}", at([*here, "Name"], misspelt)
    if "EventPattern" in properties:
        unheard = at([*path, "EventPattern", "detail-type"], lambda _: ["Object Made"])
        yield "an event that nobody sends", name, unheard
    if kind == "AWS::Events::Rule":
        yield "dead letters lost", name, without([*path, "Targets", 0], "DeadLetterConfig")
    if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
        yield "an event that nobody sends", name, without(path, "NotificationConfiguration")
    if "deadLetterTargetArn" in properties.get("RedrivePolicy", {}):
        own = {"Fn::GetAtt": [name, "Arn"]}
        yield "dead letters lost", name, at([*path, "RedrivePolicy", "deadLetterTargetArn"], always(own))
    if kind == "AWS::Lambda::EventSourceMapping":
        yield "a whole batch repeated", name, without(path, "FunctionResponseTypes")
    if "LifecycleConfiguration" in properties:
        soon = at([*path, "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"], lambda _: 30)
        if not name.startswith(tuple(connections.EXPIRING)):
            yield "objects that expire", name, soon


def _elsewhere(value: Any) -> Any:
    return misspelt(value) if isinstance(value, str) else "elsewhere"


def _of_service(
    name: str, path: list[Any], kind: str, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str, Change]]:
    """Keep a service of AWS from what it should do, in a way that CloudFormation takes."""
    if kind == "AWS::SNS::Topic":
        managed = at([*path, "KmsMasterKeyId"], lambda _: "alias/aws/sns")
        yield "a key that a service cannot use", name, managed
    if kind == "AWS::S3::Bucket" and name.startswith("AccessLogs"):
        yield "a key that a service cannot use", name, at([*path, *ENCRYPTION], lambda _: "aws:kms")
    if kind == "AWS::IAM::Role":
        for number, statement in enumerate(properties["AssumeRolePolicyDocument"]["Statement"]):
            here = [*path, "AssumeRolePolicyDocument", "Statement", number, "Condition"]
            account = {"StringEquals": {"aws:SourceAccount": "210987654321"}}
            yield "a trust in somebody else", f"{name} account", at(here, always(account))
            for value in statement.get("Condition", {}).get("ArnLike", {}).values():
                exact = {"StringEquals": {"aws:SourceArn": value}}
                yield "a trust in somebody else", f"{name} pattern", at(here, always(exact))


def _of_property(where: str, path: list[Any], value: Any) -> Iterator[tuple[str, str, Change]]:
    key = path[-1]
    if isinstance(value, bool) or key in ENUMERATED:
        yield "a word that CloudFormation does not know", where, at(path, lambda _: "Sometimes")
    if key in BOUNDED:
        yield "a number outside its range", where, at(path, lambda _: BOUNDED[str(key)])
    if isinstance(value, int) and not isinstance(value, bool):
        yield "a number that is text", where, at(path, lambda _: "many")
    if isinstance(value, dict):
        if set(value) == {"Ref"} and not str(value["Ref"]).startswith("AWS::"):
            yield "Ref to nothing", where, at([*path, "Ref"], lambda _: "Nothing")
        elif set(value) == {"Fn::GetAtt"}:
            yield "GetAtt of nothing", where, at([*path, "Fn::GetAtt", 0], lambda _: "Nothing")
            yield "an attribute that there is not", where, at([*path, "Fn::GetAtt", 1], lambda _: "Colour")
        elif not any(each.startswith("Fn::") for each in value):
            yield "a structure that is text", where, at(path, lambda _: "text")
            for inner, each in value.items():
                if inner not in ("Variables", "PolicyDocument", "EventPattern", "Statement"):
                    yield from _of_property(f"{where}.{inner}", [*path, inner], each)


def _of_function(
    name: str, path: list[Any], properties: Mapping[str, Any]
) -> Iterator[tuple[str, str, Change]]:
    yield "a handler that there is not", name, at([*path, "Handler"], lambda old: old + "s")
    yield "code that is no asset", name, at([*path, "Code", "S3Key"], lambda old: "0" + old)
    yield "a required property left out", f"{name} Role", without(path, "Role")
    yield "a required property left out", f"{name} Code", without(path, "Code")
    for variable in properties.get("Environment", {}).get("Variables", {}):
        if not variable.startswith(SHARED):
            variables = [*path, "Environment", "Variables"]
            yield "a variable of a function misspelt", f"{name} {variable}", renamed(variables, variable)
            yield (
                "a variable of a function that names another resource",
                f"{name} {variable}",
                at([*variables, variable], lambda _: {"Ref": "AWS::StackName"}),
            )
            yield "a variable of a function left out", f"{name} {variable}", without(variables, variable)
            held = properties["Environment"]["Variables"][variable]
            if isinstance(held, dict) and "Ref" in held:
                other = {"Fn::GetAtt": [held["Ref"], "Arn"]}
                yield (
                    "a variable with another attribute",
                    f"{name} {variable}",
                    at([*variables, variable], always(other)),
                )
            if isinstance(held, dict) and "Fn::ImportValue" in held:
                swapped = {
                    "Fn::ImportValue": held["Fn::ImportValue"].replace("RefModelsBucket", "RefResultsBucket")
                }
                if swapped != held:
                    yield (
                        "a variable of a function that names another resource",
                        f"{name} {variable}",
                        at([*variables, variable], always(swapped)),
                    )
    if "Layers" in properties:
        for old, new in (("x86_64", "arm64"), ("python313", "python312"), ("017000801446", "210987654321")):
            other_layer = json.loads(json.dumps(properties["Layers"]).replace(old, new))
            yield (
                "a layer of another Python, processor or account",
                f"{name} {new}",
                at([*path, "Layers"], always(other_layer)),
            )
