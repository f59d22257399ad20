"""Faults of the kinds that people make, one at a time, in an otherwise sound deployment.

Names misspelt, members left out, values of another type or outside their range, ways that lead nowhere,
permissions that are missing or too wide: whether or not a check looks for them.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from stacks.checks import (
    connections,
    expressions,
    machine_faults,
    names,
    resource_faults,
    roles,
    tasks,
)
from stacks.checks.assemblies import Assembly
from stacks.checks.changes import Change, always, at, misspelt, renamed, without
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from stacks.checks.services import OPTIMIZED, integration
from stacks.checks.variables import SHARED
from stacks.checks.ways import longest

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


@dataclass(frozen=True)
class Fault:
    """
    One fault.

    Parameters
    ----------
    kind
        What people would call it.
    where
        The stack, the resource or state, and what in it.
    stack
        The stack that has it.
    template
        That stack's template, with the fault.
    group
        What it is in: `machine`, `policy` or `template`.
    """

    kind: str
    where: str
    stack: str
    template: Mapping[str, Any]
    group: str


def faults(assembly: Assembly) -> Iterator[Fault]:
    """Yield every fault that can be put into an environment."""
    for machine in machines(assembly, REFERENCE):
        for kind, where, definition in _of_machine(machine):
            replaced = _replaced(assembly, machine, definition)
            yield Fault(kind, f"{machine.stack} {where}", machine.stack, replaced, "machine")
    for stack, template in assembly.templates.items():
        for group, made in (
            ("policy", _of_policies),
            ("policy", resource_faults.of_policies),
            ("template", _of_template),
            ("template", resource_faults.of_mixups),
        ):
            for kind, where, change in made(template):
                changed = copy.deepcopy(template)
                change(changed)
                yield Fault(kind, f"{stack} {where}", stack, changed, group)


def _replaced(assembly: Assembly, machine: Machine, definition: Mapping[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = copy.deepcopy(dict(assembly.templates[machine.stack]))
    template["Resources"][machine.name]["Properties"]["DefinitionString"] = json.dumps(definition)
    return template


def _of_machine(machine: Machine) -> Iterator[tuple[str, str, dict[str, Any]]]:
    definition: dict[str, Any] = json.loads(machine.definition)

    def changed(change: Change) -> dict[str, Any]:
        made: dict[str, Any] = copy.deepcopy(definition)
        change(made)
        return made

    if machine.kind == "EXPRESS":
        yield "an Express workflow that runs too long", "-", changed(lambda d: d.update(TimeoutSeconds=301))
        for name, state in machine.tasks():
            if ":states:::" in str(state["Resource"]) and isinstance(state.get("Arguments"), dict):
                token = partial(_in_state, name, _wait_for_token)
                yield "a token in an Express workflow", name, changed(token)
    if "TimeoutSeconds" in definition:
        too_few = longest(definition)[0] - 1
        yield "a state machine that ends too soon", "-", changed(lambda d: d.update(TimeoutSeconds=too_few))
    yield "StartAt misspelt", "-", changed(lambda d: d.update(StartAt=misspelt(d["StartAt"])))
    for name, state in definition["States"].items():
        for kind, where, change in _of_state(name, state):
            yield kind, where, changed(partial(_in_state, name, change))


def _wait_for_token(state: dict[str, Any]) -> None:
    state["Resource"] = state["Resource"].partition(".")[0] + ".waitForTaskToken"
    state["Arguments"]["MessageBody"] = "{% $states.context.Task.Token %}"


def _in_state(name: str, change: Change, definition: dict[str, Any]) -> None:
    change(definition["States"][name])


def _of_state(name: str, state: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    if "Next" in state:
        yield "Next names no state", name, lambda s: s.update(Next=misspelt(s["Next"]))
        yield "Next left out", name, lambda s: s.pop("Next")
        yield "Next and End", name, lambda s: s.update(End=True)
    yield "Type misspelt", name, lambda s: s.update(Type=misspelt(s["Type"]))
    yield "a state's field misspelt", name, lambda s: s.update(Asign={"a": 1})
    if "Default" in state:
        yield "Default left out", name, lambda s: s.pop("Default")
    for number in range(len(state.get("Choices", []))):
        yield "a choice's Next names no state", name, at(["Choices", number, "Next"], lambda _: "Nowhere")
        yield from machine_faults.of_choice(name, number, str(state["Choices"][number].get("Condition", "")))
        yield "a choice's Condition left out", name, without(["Choices", number], "Condition")
    for field in ("Assign", "Output"):
        for path, value in _texts([field], state.get(field)):
            yield from _of_expression(f"{name} {' '.join(path)}", path, value)
    if state["Type"] == "Task":
        yield from _of_task(name, state)


def _texts(path: list[Any], value: Any) -> Iterator[tuple[list[Any], str]]:
    """Yield every text in what a state assigns or puts out, with where it is."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts([*path, key], each)
    elif isinstance(value, str):
        yield path, value


def _of_task(name: str, state: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    if "TimeoutSeconds" in state:
        yield "TimeoutSeconds left out", name, lambda s: s.pop("TimeoutSeconds")
        yield "TimeoutSeconds is text", name, lambda s: s.update(TimeoutSeconds="soon")
        yield "TimeoutSeconds is negative", name, lambda s: s.update(TimeoutSeconds=-1)
    for field in ("Retry", "Catch"):
        if field in state and name not in tasks.NOT_OURS:
            yield f"{field} left out", name, without([], field)
        for number, rule in enumerate(state.get(field, [])):
            yield from _of_rule(name, field, number, rule)
    if len(state.get("Catch", [])) > 1:
        yield "States.ALL is not last", name, lambda s: s["Catch"].reverse()
    yield from machine_faults.of_task(name, state)
    resource = state["Resource"]
    if ":states:::" in resource:
        stem, dot, _ = resource.partition(".")
        if not dot:
            yield ".sync where there is none", name, lambda s: s.update(Resource=resource + ".sync")
        yield "an unknown pattern", name, lambda s: s.update(Resource=stem + ".snyc")
        yield (
            "an action that does not exist",
            name,
            lambda s: s.update(Resource=stem + "s" + resource[len(stem) :]),
        )
        called = integration(resource)
        if called.through_sdk and called.action not in OPTIMIZED.get(called.service, {}):
            plain = resource.replace("aws-sdk:", "")
            yield "an optimized integration that there is not", name, lambda s: s.update(Resource=plain)
        if isinstance(state.get("Arguments"), dict):
            yield from _of_arguments(name, ["Arguments"], state["Arguments"])
            yield from _between(name, state["Arguments"])


def _between(name: str, given: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    """Values that are possible each, and not together."""
    path: list[Any] = ["Arguments"]
    for key in given.get("Key", {}) if isinstance(given.get("Key"), dict) else ():
        yield "another key than the table's", name, renamed([*path, "Key"], key)
    if "MaxPayloadInMB" in given:
        many = at([*path, "MaxConcurrentTransforms"], lambda _: 99)
        yield "payloads too large together", name, many
    for outer in ("ResourceConfig", "TransformResources"):
        if ".g5." in str(given.get(outer, {}).get("InstanceType")):
            key = at([*path, outer, "VolumeKmsKeyId"], lambda _: "alias/key")
            yield "a key for a disk of the instance's own", name, key
    if "EnableManagedSpotTraining" in given:
        other = at([*path, "EnableManagedSpotTraining"], lambda old: not old)
        yield "spot without its wait, or a wait without spot", name, other
    for number, each in enumerate(given.get("ProcessingInputs", [])):
        if "S3Input" in each:
            elsewhere = at(["Arguments", "ProcessingInputs", number, "S3Input", "LocalPath"], always("/data"))
            yield "a local path that no job has", f"{name} {number}", elsewhere
    if "ModelPackageGroupName" in given:
        group = at([*path, "ModelPackageGroupName"], misspelt)
        yield "a group of model packages that there is not", name, group
    if "DeploymentConfig" in given:
        alarm = [*path, "DeploymentConfig", "AutoRollbackConfiguration", "Alarms", 0, "AlarmName"]
        yield "an alarm that there is not", name, at(alarm, misspelt)
        policy = [*path, "DeploymentConfig", "BlueGreenUpdatePolicy"]
        size = {"Type": "CAPACITY_PERCENT", "Value": 60}
        canary = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 60}
        yield "a canary over half", name, at([*policy, "TrafficRoutingConfiguration"], always(canary))
        # For a short bake SageMaker's least is enough.
        if given["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] >= 300:
            shortest = at([*policy, "MaximumExecutionTimeoutInSeconds"], always(600))
            yield "a rollout that has no time", name, shortest
    if isinstance(given.get("Subject"), str):
        yield "a subject too long", name, at([*path, "Subject"], lambda old: (old + "!") * 9)


def _of_rule(name: str, field: str, number: int, rule: dict[str, Any]) -> Iterator[tuple[str, str, Change]]:
    for position, error in enumerate(rule["ErrorEquals"]):
        group = "States" if error.startswith("States.") else "a service" if "." in error else "a function"
        path = [field, number, "ErrorEquals", position]
        yield f"an error of {group} misspelt", f"{name} {error}", at(path, misspelt)
        if group == "a service":
            other = error.replace(error.partition(".")[0], "Amazon" + error.partition(".")[0], 1)
            yield "an error of another service", f"{name} {error}", at(path, always(other))
    yield "a rule without errors", name, at([field, number, "ErrorEquals"], lambda _: [])
    if field == "Catch":
        yield "a catch's Next names no state", name, at(["Catch", number, "Next"], lambda _: "Nowhere")
    else:
        yield "BackoffRate below 1", name, at(["Retry", number, "BackoffRate"], lambda _: 0.1)
        yield "IntervalSeconds is 0", name, at(["Retry", number, "IntervalSeconds"], lambda _: 0)
        yield "MaxAttempts is negative", name, at(["Retry", number, "MaxAttempts"], lambda _: -1)
        yield "JitterStrategy misspelt", name, at(["Retry", number, "JitterStrategy"], lambda _: "FULLY")


CALLERS = {
    *("HyperParameters", "Environment", "Item", "Key", "CustomerMetadataProperties"),
    *("ExpressionAttributeNames", "ExpressionAttributeValues"),
}
"""Members whose keys are the caller's own: another key there is no fault that a model could know."""
ANYTHING = {"MessageBody", "Message"}
"""What Step Functions turns into text, whatever it is."""


def _of_arguments(name: str, path: list[Any], given: Any) -> Iterator[tuple[str, str, Change]]:
    items = given.items() if isinstance(given, dict) else enumerate(given)
    for key, value in items:
        here = [*path, key]
        where = f"{name} {'.'.join(map(str, here[1:]))}"
        if isinstance(given, dict) and path[-1] not in CALLERS:
            yield "an argument misspelt", where, renamed(path, key)
        if key in ANYTHING:
            continue
        yield from machine_faults.of_argument(where, here, value)
        if isinstance(value, str) and value.startswith("{%"):
            yield from _of_expression(where, here, value)
            if path[-1] not in CALLERS:
                yield "an expression of another type", where, at(here, lambda _: "{% [1, 2] %}")
        elif isinstance(value, bool | int | float | str):
            yield "an argument of another type", where, at(here, lambda _: [{}])
        else:
            yield "a structure that is text", where, at(here, lambda _: "text")
            if isinstance(value, list):
                yield "a list that is an object", where, at(here, lambda _: {"a": 1})
            if key not in CALLERS:
                yield from _of_arguments(name, here, value)


def _of_expression(where: str, path: list[Any], value: Any) -> Iterator[tuple[str, str, Change]]:
    if not (isinstance(value, str) and value.startswith("{%")):
        return
    yield from machine_faults.of_expression(where, path, value)
    yield "an expression cut off", where, at(path, lambda old: old[:-2] + "& ( %}")
    yield "an expression that is not closed", where, at(path, lambda old: old[:-2] + "}")
    if "$states." in value:
        yield (
            "a field of $states misspelt",
            where,
            at(path, lambda old: old.replace("$states.", "$states.q", 1)),
        )
    if "$states.result." in value:
        yield (
            "a field of the result misspelt",
            where,
            at(path, lambda old: old.replace("$states.result.", "$states.result.Q", 1)),
        )
    for variable in sorted(expressions.variables(value[2:-2])):
        yield (
            "a variable misspelt",
            f"{where} ${variable}",
            at(path, partial(_with_another, variable)),
        )


def _with_another(variable: str, expression: str) -> str:
    return expression.replace(f"${variable}", f"${variable}s")


def _of_policies(template: Mapping[str, Any]) -> Iterator[tuple[str, str, Change]]:
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


def _of_template(template: Mapping[str, Any]) -> Iterator[tuple[str, str, Change]]:
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
