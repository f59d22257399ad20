"""Faults that people make in state machines: in states, the ways between them, rules, arguments, expressions."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from stacks.checks import expressions, machine_faults, tasks
from stacks.checks.changes import Change, always, at, misspelt, renamed, without
from stacks.checks.rendering import Machine, states
from stacks.checks.services import OPTIMIZED, integration
from stacks.checks.ways import longest


def of_machine(machine: Machine) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each fault's kind, where it is, and the whole definition with it."""
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
    for name, state in machine.states():
        for kind, where, change in _of_state(name, state):
            yield kind, where, changed(partial(_in_state, name, change))


def _wait_for_token(state: dict[str, Any]) -> None:
    state["Resource"] = state["Resource"].partition(".")[0] + ".waitForTaskToken"
    state["Arguments"]["MessageBody"] = "{% $states.context.Task.Token %}"


def _in_state(name: str, change: Change, definition: dict[str, Any]) -> None:
    change(next(state for each, state in states(definition) if each == name))


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
