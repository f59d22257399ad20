"""Every Task fits its service's model, and generated faults in its arguments are found."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from stacks.checks import arguments
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines

MAPS = {
    *("HyperParameters", "Environment", "Item", "Key", "CustomerMetadataProperties"),
    *("ExpressionAttributeNames", "ExpressionAttributeValues"),
}
"""Members whose keys are the caller's own: another key there is no fault that a model could know."""
FREE = "MessageBody"
"""What Step Functions turns into text, whatever it is."""
Tasks = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def tasks(assemblies: list[Assembly]) -> Tasks:
    """Every Task of every environment, by where it is."""
    found: Tasks = {}
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            for name, task in machine.tasks():
                found[f"{machine.stack} {name}"] = dict(task)
    return found


def test_every_task_fits_its_services_model(tasks: Tasks) -> None:
    assert {name: list(arguments.of_task(task)) for name, task in tasks.items()} == {
        name: [] for name in tasks
    }


def test_generated_faults_are_found(tasks: Tasks) -> None:
    faults = [(f"{name}: {what}", mutant) for name, task in tasks.items() for what, mutant in _mutants(task)]
    escaped = [what for what, mutant in faults if not list(arguments.of_task(mutant))]
    assert len(faults) >= 1000
    assert escaped == []


def _mutants(task: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a Task with one name misspelt, one value mistyped, one error or action that is not there."""
    for index, rule in enumerate(task.get("Retry", [])):
        if "." in rule["ErrorEquals"][0] and not rule["ErrorEquals"][0].startswith("States."):
            mutant = copy.deepcopy(task)
            mutant["Retry"][index]["ErrorEquals"][0] = "Dynamo" + rule["ErrorEquals"][0]
            yield f"Retry {index}", mutant
    if ":states:::" not in task["Resource"]:
        return
    yield (
        "Resource",
        {**task, "Resource": task["Resource"].replace("create", "make").replace(":get", ":fetch") + "s"},
    )
    if isinstance(task.get("Arguments"), dict):
        for what, given in _wrong(task["Arguments"]):
            yield what, {**task, "Arguments": given}


def _wrong(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            rest = {other: kept for other, kept in value.items() if other != key}
            yield f"{key} misspelt", {**rest, f"{key}x": each}
            yield f"{key} in small letters", {**rest, key.lower(): each}
            if key == FREE:
                continue
            if isinstance(each, dict | list):
                yield f"{key} mistyped", {**rest, key: "text"}
            elif isinstance(each, int):
                yield f"{key} mistyped", {**rest, key: [each]}
            if key not in MAPS:
                yield from ((f"{key}.{what}", {**rest, key: inner}) for what, inner in _wrong(each))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            others = value[:index], value[index + 1 :]
            yield from ((f"{index}.{what}", [*others[0], inner, *others[1]]) for what, inner in _wrong(each))
