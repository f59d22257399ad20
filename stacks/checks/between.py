"""Rules between the fields of a Task's arguments, which services have beyond their models.

SageMaker's are those that the local cloud refuses by: one list, used in both places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcloud.sagemaker import rules
from localcloud.sagemaker.errors import ValidationError
from stacks.checks import budgets, conditions, variants
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from stacks.checks.result import Result

_RULES: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "createTrainingJob": rules.training,
    "createHyperParameterTuningJob": rules.tuning,
    "createProcessingJob": rules.processing,
    "createTransformJob": rules.transform,
    "createEndpointConfig": rules.endpoint_config,
}
ITEMS = {"getItem": "Key", "putItem": "Item", "updateItem": "Key", "deleteItem": "Key"}
"""Where DynamoDB's operations take a key: `Item` has other attributes beside it."""
SUBJECT = 100
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: fewer characters than these, printable, one line."""
HOUR = 3600
"""What CloudFormation waits for a custom resource."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every Task, and how long CloudFormation waits for those that it waits for."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            instances = _instances(machine)
            for name, action, given in machine.calls():
                count += 1
                findings += [
                    f"{machine.stack} {name}: {each}"
                    for each in (
                        *of_call(action, dict(given), instances),
                        *_of_keys(assembly, machine.stack, action, given),
                        *_of_names(assembly, given),
                        *(conditions.faults(given) if action in ITEMS else ()),
                    )
                ]
        findings += [*_of_waits(assembly), *variants.of_assembly(assembly), *_of_budgets(assembly)]
    return Result("between fields", "Tasks: rules that no model has; waits", count, tuple(findings))


def of_call(action: str, given: dict[str, Any], instances: int) -> Iterator[str]:
    """Say which rules a call's arguments break; `instances` are those of the endpoint's smallest variant."""
    try:
        if action in _RULES:
            _RULES[action](given)
        if isinstance(given.get("DeploymentConfig"), dict):
            rules.deployment(given["DeploymentConfig"], instances)
    except ValidationError as error:
        yield str(error)
    except (KeyError, TypeError, AttributeError, ValueError):
        # Not of the shape that the service wants: the check of arguments says so.
        return
    subject = given.get("Subject", "-")
    fits = 0 < len(subject) < SUBJECT and subject.isascii() and subject.isprintable()
    if action == "publish" and not subject.startswith("{%") and not fits:
        yield f"the subject {subject!r} must be of 1 to {SUBJECT - 1} printable ASCII characters"


def _of_budgets(assembly: Assembly) -> Iterator[str]:
    """Say what is wrong with budgets, which count what the state machines tag."""
    tagged = {
        (str(tag.get("Key")), str(tag.get("Value")))
        for machine in machines(assembly, REFERENCE)
        for _, _, given in machine.calls()
        for tag in (given["Tags"] if isinstance(given.get("Tags"), list) else [])
    }
    for stack, name, budget in assembly.resources("AWS::Budgets::Budget"):
        yield from (f"{stack} {name}: {each}" for each in budgets.faults(budget["Properties"], tagged))


def _table(assembly: Assembly, stack: str, name: Any) -> Mapping[str, Any]:
    """Return the table that a Task names, as a resource of its stack or by what another stack exports."""
    for place, template in assembly.templates.items():
        exported = [
            output["Value"].get("Ref")
            for output in template.get("Outputs", {}).values()
            if output.get("Export", {}).get("Name", "").rpartition(":")[2].lower() == name
        ]
        for own in [name] if place == stack else exported:
            if own in template["Resources"]:
                found: Mapping[str, Any] = template["Resources"][own]
                return found
    return {}


def _of_keys(assembly: Assembly, stack: str, action: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Say where an item's key is not its table's."""
    if action not in ITEMS or not isinstance(given.get(ITEMS[action]), Mapping):
        return
    schema = _table(assembly, stack, given.get("TableName")).get("Properties", {}).get("KeySchema")
    if schema is None:
        yield f"there is no table {given.get('TableName')!r} in this stack, and none that it imports"
        return
    definitions = _table(assembly, stack, given.get("TableName"))["Properties"].get(
        "AttributeDefinitions", []
    )
    for kind in ((each["AttributeName"], each["AttributeType"]) for each in definitions):
        held = given[ITEMS[action]].get(kind[0])
        if isinstance(held, Mapping) and set(held) != {kind[1]}:
            yield f"{kind[0]} is of type {kind[1]} in the table, and {ITEMS[action]} gives {', '.join(held) or 'none'}"
    key, names = {each["AttributeName"] for each in schema}, set(given[ITEMS[action]])
    if key - names or (names - key and ITEMS[action] == "Key"):
        yield f"the table's key is {', '.join(sorted(key))}, and {ITEMS[action]} has {', '.join(sorted(names))}"


def _of_names(assembly: Assembly, given: Mapping[str, Any]) -> Iterator[str]:
    """Say which alarm and which group of model packages nobody makes: a name that is not there stops no update."""
    alarms = {name for _, name, _ in assembly.resources("AWS::CloudWatch::Alarm")}
    groups = {
        each["Properties"].get("ModelPackageGroupName")
        for _, _, each in assembly.resources("AWS::SageMaker::ModelPackageGroup")
    }
    deployment = given.get("DeploymentConfig")
    rollback = deployment.get("AutoRollbackConfiguration", {}) if isinstance(deployment, Mapping) else {}
    for each in rollback.get("Alarms", []):
        if each.get("AlarmName") not in alarms:
            yield f"it goes back at the alarm {each.get('AlarmName')!r}, which is not in this deployment"
    asked = given.get("AlarmNames")
    if isinstance(asked, list):
        yield from (
            f"it asks for the alarm {each!r}, which is not in this deployment"
            for each in asked
            if each not in alarms
        )
    group = given.get("ModelPackageGroupName")
    if group is not None and group not in groups:
        yield f"the group of model packages {group!r} is not in this deployment"


def _instances(machine: Machine) -> int:
    counts = [
        each.get("InitialInstanceCount", 1)
        for _, action, given in machine.calls()
        if action == "createEndpointConfig"
        for each in given.get("ProductionVariants", [])
        if isinstance(each, dict)
    ]
    return min((each for each in counts if isinstance(each, int)), default=1)


def _of_waits(assembly: Assembly) -> Iterator[str]:
    """Find custom resources that end before their provider gives up, and so leave work that nobody waits for."""
    for stack, template in assembly.templates.items():
        for name, resource in template["Resources"].items():
            if resource["Type"].startswith("Custom::") or resource["Type"].endswith("::CustomResource"):
                wait = str(resource.get("Properties", {}).get("ServiceTimeout", HOUR))
                if not wait.isdigit() or not 1 <= int(wait) <= HOUR:
                    yield f"{stack} {name}: ServiceTimeout is {wait!r}, and CloudFormation takes 1 to {HOUR}"
                for waiter, seconds in _polled(template):
                    if wait.isdigit() and seconds > int(wait):
                        yield (
                            f"{stack} {waiter}: it asks for {seconds:.0f} s whether {name} is complete, "
                            f"and CloudFormation waits {wait}"
                        )


def _polled(template: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each waiter's state machine with the seconds that its retries take together."""
    for machine in machines(Assembly("", Path(), {"": template}), REFERENCE):
        for name, task in machine.tasks():
            if name == "framework-isComplete-task":
                yield machine.name, sum(_seconds(rule) for rule in task.get("Retry", []))


def _seconds(rule: Mapping[str, Any]) -> float:
    if rule.get("BackoffRate", 2.0) != 1:
        return 0.0
    return float(rule.get("IntervalSeconds", 1)) * float(rule.get("MaxAttempts", 3))
