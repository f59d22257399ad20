"""Faults in resources that CloudFormation takes: doors left open, numbers that a service refuses, things mixed up."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacks.checks import safeguards
from stacks.checks.changes import Change, always, at, misspelt, renamed, without
from stacks.checks.openness import POLICIES
from stacks.checks.permissions import listed

Made = Iterator[tuple[str, str, Change]]


def of_policies(template: Mapping[str, Any]) -> Made:
    """Yield doors that are open wider than they should be."""
    for name, resource in template["Resources"].items():
        path = ["Resources", name, "Properties"]
        where = {**POLICIES, "AWS::IAM::Policy": "PolicyDocument"}.get(resource["Type"], "")
        for number, statement in enumerate(
            resource.get("Properties", {}).get(where, {}).get("Statement", [])
        ):
            here = [*path, where, "Statement", number]
            if "s3:TlsVersion" in json.dumps(statement.get("Condition")):
                older = always({"NumericLessThan": {"s3:TlsVersion": 1.0}})
                yield "an old TLS taken", name, at([*here, "Condition"], older)
            yield "a statement without an effect", f"{name} {number}", without(here, "Effect")
            if statement["Effect"] == "Allow":
                yield from _of_statement(f"{name} {number}", here, resource["Type"], statement)


def _of_statement(where: str, path: list[Any], kind: str, statement: Mapping[str, Any]) -> Made:
    yield "everything but what is named", f"{where} NotAction", _instead(path, "Action", "s3:DeleteBucket")
    if kind == "AWS::IAM::Policy" and "repository/pytorch" in json.dumps(statement["Resource"]):
        other = json.loads(
            json.dumps(statement["Resource"]).replace("repository/pytorch", "repository/pytorc")
        )
        yield "a repository that there is not", where, at([*path, "Resource"], always(other))
    if kind == "AWS::IAM::Policy":
        own = "arn:aws:s3:::own/*"
        yield "everything but what is named", f"{where} NotResource", _instead(path, "Resource", own)
        return
    yield "anybody let in", where, _anybody(path)
    if kind == "AWS::IAM::Role":
        another = [*listed(statement["Principal"].get("Service", [])), "glue.amazonaws.com"]
        yield "a trust for two", where, at([*path, "Principal"], always({"Service": another}))
    stranger = always({"AWS": "arn:aws:iam::210987654321:root"})
    yield "another account let in", where, at([*path, "Principal"], stranger)
    if "Condition" in statement:
        yield "a service let in for whoever asks", where, without(path, "Condition")
        everybody = always({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}})
        yield "a service let in for whoever asks", f"{where} pattern", at([*path, "Condition"], everybody)
    if kind == "AWS::KMS::Key" and "Condition" not in statement:
        yield "a key that its account cannot manage", where, at([*path, "Action"], always("kms:Decrypt"))


def _instead(path: list[Any], key: str, value: str) -> Change:
    """Name what a statement is not about, instead of what it is."""

    def change(template: Any) -> None:
        statement = template
        for part in path:
            statement = statement[part]
        statement.pop(key, None)
        statement[f"Not{key}"] = value

    return change


def _anybody(path: list[Any]) -> Change:
    def change(template: Any) -> None:
        without(path, "Condition")(template)
        at([*path, "Principal"], always({"AWS": "*"}))(template)

    return change


def of_resource(name: str, path: list[Any], kind: str, properties: Mapping[str, Any]) -> Made:
    """Yield values that CloudFormation takes, and the service does not or nobody can use."""
    for what, where, value in _VALUES.get(kind, ()):
        if where[0] in properties or len(where) == 1:
            yield what, f"{name} {where[-1]} {value}", at([*path, *where], always(value))
    yield from _of_texts(name, path, kind, properties)
    if kind == "AWS::Lambda::Function":
        yield from _of_function(name, path, properties)
    if kind == "AWS::Lambda::EventSourceMapping":
        stream, batch = without(path, "StartingPosition"), at([*path, "BatchSize"], always(100))
        yield (
            ("a stream read from nowhere", name, stream)
            if "StartingPosition" in properties
            else ("a batch that nothing waits for", name, batch)
        )
    if "StreamSpecification" in properties:
        yield "a stream that there is not", name, without(path, "StreamSpecification")
    if kind == "AWS::Events::Rule":
        yield "a rule that nothing comes of", name, without(path, "Targets")
    if "AttributeDefinitions" in properties:
        more = [*properties["AttributeDefinitions"], {"AttributeName": "more", "AttributeType": "S"}]
        yield "an attribute that is no key", name, at([*path, "AttributeDefinitions"], always(more))
    if kind == "AWS::CloudWatch::Alarm":
        yield from _of_alarm(name, path, properties)
    if str(properties.get("LogGroupName", "")).startswith("/aws/vendedlogs/"):
        yield "logs that take room in a policy", name, without(path, "LogGroupName")
    if kind == "AWS::KinesisFirehose::DeliveryStream":
        to = [*path, "ExtendedS3DestinationConfiguration"]
        yield "a prefix without one for errors", name, without(to, "ErrorOutputPrefix")
    if properties.get("LoggingConfiguration", {}).get("Level"):
        yield "a resource that does not wait for its role's policy", name, without(path[:-1], "DependsOn")


def _of_alarm(name: str, path: list[Any], properties: Mapping[str, Any]) -> Made:
    if name.startswith("GuardAlarms"):
        yield "an alarm that rings after the bake", name, at([*path, "EvaluationPeriods"], always(300))
    for each in {"Statistic", "ExtendedStatistic"} & set(properties):
        yield "an alarm without a statistic", name, without(path, each)


def _of_texts(name: str, path: list[Any], kind: str, properties: Mapping[str, Any]) -> Made:
    """Yield texts that only their service parses."""
    if kind == "AWS::Events::Rule":
        yield from _of_rule(name, path, properties)
    if kind == "AWS::CloudWatch::Dashboard":
        yield "a text that is no JSON", name, at([*path, "DashboardBody"], always('{"widgets": ['))
    if kind == "AWS::CloudWatch::CompositeAlarm":
        for rule in ("ALARM((", 'ALARM("a") XOR ALARM("b")', 'ALARM("a") OR'):
            yield (
                "a rule of alarms that does not parse",
                f"{name} {rule}",
                at([*path, "AlarmRule"], always(rule)),
            )
    if "LogFilePrefix" in properties.get("LoggingConfiguration", {}):
        prefix = at([*path, "LoggingConfiguration", "LogFilePrefix"], _misspelt_prefix)
        yield "access logs where nobody may put them", name, prefix
    if kind in safeguards.DATA:
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            other = at([*path[:-1], policy], lambda old: "Delete" if old == "Retain" else "Retain")
            yield "data kept or deleted against the settings", f"{name} {policy}", other


def _misspelt_key(key: str) -> Callable[[Any], str]:
    return lambda written: str(written).replace(f'"{key}":', f'"{misspelt(key)}":')


def _misspelt_prefix(prefix: Any) -> str:
    """Misspell a folder."""
    return misspelt(str(prefix).rstrip("/")) + "/"


def _of_rule(name: str, path: list[Any], properties: Mapping[str, Any]) -> Made:
    if "ScheduleExpression" in properties:
        for said in ("cron(0 25 * * ? *)", "cron(0 8 * * * *)", "rate(1 hours)", "rate(2 weeks)"):
            schedule = at([*path, "ScheduleExpression"], always(said))
            yield "a schedule that there is not", f"{name} {said}", schedule
    for number, target in enumerate(properties.get("Targets", [])):
        if "Input" in target:
            for key in json.loads(target["Input"]):
                other = at([*path, "Targets", number, "Input"], _misspelt_key(key))
                yield "an input's field misspelt", f"{name} {key}", other
            cut = at([*path, "Targets", number, "Input"], lambda old: str(old)[:-1])
            yield "a text that is no JSON", f"{name} {number}", cut
    pattern = properties.get("EventPattern", {})
    written = json.dumps(pattern)
    if '"prefix"' in written:
        wrong = json.loads(written.replace('"prefix"', '"prefixx"'))
        yield "an operator that EventBridge does not know", name, at([*path, "EventPattern"], always(wrong))
    for status in pattern.get("detail", {}).get("status", []):
        wrong = json.loads(written.replace(f'"{status}"', f'"{misspelt(status)}"'))
        yield "a status that there is not", f"{name} {status}", at([*path, "EventPattern"], always(wrong))


_IA = {"Status": "Enabled", "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 7}]}
_TOLD = {
    "Notification": {"ComparisonOperator": "GREATER_THAN", "NotificationType": "ACTUAL", "Threshold": 100},
    "Subscribers": [{"Address": f"{n}@example.com", "SubscriptionType": "EMAIL"} for n in range(11)],
}
_VALUES: Mapping[str, tuple[tuple[str, tuple[Any, ...], Any], ...]] = {
    "AWS::Lambda::Function": (
        ("a function that never runs", ("ReservedConcurrentExecutions",), 0),
        ("a function with more memory than there is", ("MemorySize",), 10_241),
    ),
    "AWS::SQS::Queue": (("a queue that never gives up", ("RedrivePolicy", "maxReceiveCount"), 0),),
    "AWS::DynamoDB::GlobalTable": (("a replica somewhere else", ("Replicas", 0, "Region"), "us-east-1"),),
    "AWS::S3::Bucket": (("objects moved too soon", ("LifecycleConfiguration", "Rules", 0), _IA),),
    "AWS::KinesisFirehose::DeliveryStream": (
        *(
            (
                "a prefix of an unknown kind",
                ("ExtendedS3DestinationConfiguration", "Prefix"),
                f"a/!{{{prefix}/",
            )
            for prefix in ("time:yyyy}", "timestamp}", "timestamp:yyyy", "timestamp:bb}", "firehose:random}")
        ),
    ),
    "AWS::Budgets::Budget": (
        ("a budget that counts nothing", ("Budget", "CostFilters"), {"TagKeyValu": ["user:a$b"]}),
        (
            "a budget that counts nothing",
            ("Budget", "CostFilters"),
            {"TagKeyValue": ["user:scones:deplyment$a"]},
        ),
        ("a budget that AWS refuses", ("Budget", "BudgetType"), "COSTS"),
        ("a budget that AWS refuses", ("Budget", "BudgetLimit"), {"Amount": -5, "Unit": "USD"}),
        ("a budget that AWS refuses", ("NotificationsWithSubscribers",), [_TOLD]),
    ),
    "AWS::Events::Rule": (("a rule that is off", ("State",), "DISABLED"),),
    "AWS::Lambda::EventSourceMapping": (("a queue that nobody reads", ("Enabled",), False),),
    "AWS::CloudWatch::Alarm": (
        ("an alarm that tells nobody", ("ActionsEnabled",), False),
        ("an alarm that needs more points than it has", ("DatapointsToAlarm",), 30),
        ("an alarm that looks back too far", ("EvaluationPeriods",), 10_000),
        ("an alarm with a period that there is not", ("Period",), 90),
        ("an alarm without a statistic", ("ExtendedStatistic",), "p101"),
    ),
}
"""Values of properties, where each stands, and what people would call it."""


def _of_function(name: str, path: list[Any], properties: Mapping[str, Any]) -> Made:
    variables = properties.get("Environment", {}).get("Variables", {})
    if "ENDPOINT_NAME" in variables:
        yield "a function that is cut off", name, without(path, "Timeout")
    if "CONCURRENCY" in variables:
        yield "a function that is cut off", name, at([*path, "Timeout"], always(60))
    for variable, value in variables.items():
        if isinstance(value, str) and value.replace(".", "").isdigit():
            words = at([*path, "Environment", "Variables", variable], always("ten"))
            yield "a variable that its function cannot read", f"{name} {variable}", words


def of_mixups(template: Mapping[str, Any]) -> Made:
    """Yield things that are taken for one another."""
    resources = template["Resources"]
    functions = [name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Function"]
    for name, other in itertools.pairwise(functions):
        role = resources[other]["Properties"]["Role"]
        if role != resources[name]["Properties"]["Role"]:
            yield (
                "a function in another's role",
                name,
                at(["Resources", name, "Properties", "Role"], always(role)),
            )
    for name, each in resources.items():
        path = ["Resources", name, "Properties"]
        if each["Type"] == "AWS::StepFunctions::StateMachine":
            parts = each["Properties"].get("DefinitionString", {}).get("Fn::Join", ["", []])[1]
            for number, part in enumerate(parts[1:], 1):
                if str(parts[number - 1]).endswith(".dkr.ecr.") and part == {"Ref": "AWS::Region"}:
                    fixed = at([*path, "DefinitionString", "Fn::Join", 1, number], always("us-east-1"))
                    yield "an image of one region only", f"{name} {number}", fixed
        if "ServiceToken" in each.get("Properties", {}) and each["Type"].startswith("Custom::"):
            yield from _of_custom_resource(name, path, resources)
        if each.get("Properties", {}).get("MetricName") == "ModelLatency":
            yield "a threshold in another unit", name, at([*path, "Threshold"], always(2_000))
        if each.get("Properties", {}).get("MetricName") in ("CPUUtilization", "GPUUtilization"):
            yield "a threshold in another unit", name, at([*path, "Threshold"], always(0.9))


def _of_custom_resource(name: str, path: list[Any], resources: Mapping[str, Any]) -> Made:
    for key in resources[name]["Properties"]:
        yield "a custom resource's property misspelt", f"{name} {key}", renamed(path, key)
        if key != "ServiceTimeout":  # it has a default, and is as long as that
            yield "a custom resource's property left out", f"{name} {key}", without(path, key)
    for other, each in resources.items():
        if each.get("Properties", {}).get("Handler") == "framework.isComplete":
            token = at([*path, "ServiceToken"], always({"Fn::GetAtt": [other, "Arn"]}))
            yield "a custom resource that asks another function", name, token
