"""Who waits for what: a Task for its job or function, a function for what it calls, a state machine for its ways.

Who waits too short gives up on work that goes on and is paid for; nothing that creates either of them compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from stacks.checks.result import Result
from stacks.checks.ways import longest

INVOCATION = 60
"""Seconds that a model has to answer: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html."""
DEFAULT = 3
"""Seconds that a function has where nobody says it:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html."""
SHARE = 0.5
"""A function has at least so much of what its Task waits: less, and one of the two numbers was forgotten."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Compare every pair of which one waits for the other."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        known = {(each.stack, each.name): each for each in machines(assembly, REFERENCE)}
        for machine in known.values():
            functions = _timeouts(assembly, machine.stack)
            said = of_machine(json.loads(machine.definition))
            findings += [f"{machine.stack} {machine.name}: {each}" for each in said]
            for name, task in machine.tasks():
                count += 1
                findings += [f"{machine.stack} {name}: {each}" for each in of_task(task, functions)]
        for stack, name, function in assembly.resources("AWS::Lambda::Function"):
            count += 1
            own = {name: machine for (place, name), machine in known.items() if place == stack}
            findings += [f"{stack} {name}: {each}" for each in _of_function(function["Properties"], own)]
    return Result("durations", "Tasks, jobs, functions: who waits for whom", count, tuple(findings))


def of_machine(definition: Mapping[str, Any]) -> Iterator[str]:
    """Say where a state machine ends before its longest way can."""
    limit = definition.get("TimeoutSeconds")
    seconds, states = longest(definition)
    if isinstance(limit, int) and seconds >= limit:
        yield f"it ends after {limit} s, and {', '.join(states)} wait for up to {seconds} s together"


def _timeouts(assembly: Assembly, stack: str) -> dict[str, int]:
    return {
        name: function["Properties"].get("Timeout", DEFAULT)
        for place, name, function in assembly.resources("AWS::Lambda::Function")
        if place == stack
    }


def of_task(task: Mapping[str, Any], functions: Mapping[str, int]) -> Iterator[str]:
    """Say where a Task waits shorter than what it started may take, or longer than that can make use of."""
    waits = task.get("TimeoutSeconds")
    if not isinstance(waits, int):
        return
    if ".sync" in str(task["Resource"]):
        for what, seconds in _allowed(task.get("Arguments", {})):
            if seconds >= waits:
                yield f"it waits {waits} s for a job whose {what} is {seconds} s"
    takes = functions.get(str(task["Resource"]).rpartition(":")[2])
    if isinstance(takes, int) and takes > waits:
        yield f"it waits {waits} s for a function that takes up to {takes} s"
    if isinstance(takes, int) and takes < SHARE * waits:
        yield f"it waits {waits} s for a function that is cut off after {takes} s"
    beats = task.get("HeartbeatSeconds")
    if isinstance(beats, int) and beats >= waits:
        yield f"HeartbeatSeconds is {beats}, and must be less than TimeoutSeconds, {waits}"


def _allowed(given: Any) -> Iterator[tuple[str, int]]:
    """Yield how long a job may take, by every limit that it is given."""
    if isinstance(given, Mapping):
        for key in ("StoppingCondition", "ResourceLimits"):
            for what, seconds in given.get(key, {}).items() if isinstance(given.get(key), Mapping) else ():
                if what in ("MaxRuntimeInSeconds", "MaxWaitTimeInSeconds") and isinstance(seconds, int):
                    yield what, seconds
        for inner in ("HyperParameterTuningJobConfig", "TrainingJobDefinition"):
            yield from _allowed(given.get(inner))


def _of_function(properties: Mapping[str, Any], known: Mapping[str, Machine]) -> Iterator[str]:
    """Say what a function calls and cannot wait for: an endpoint's answer, or the end of an Express workflow."""
    takes = properties.get("Timeout", DEFAULT)
    variables = properties.get("Environment", {}).get("Variables", {})
    if not isinstance(takes, int):
        return
    if "ENDPOINT_NAME" in variables and takes <= INVOCATION:
        yield f"it is cut off after {takes} s, and an endpoint may take {INVOCATION} s to answer"
    for name, value in variables.items():
        machine = known.get(str(value.get("Ref"))) if isinstance(value, Mapping) else None
        if machine is not None and machine.kind == "EXPRESS":
            limit = json.loads(machine.definition).get("TimeoutSeconds")
            if isinstance(limit, int) and takes <= limit:
                yield f"it is cut off after {takes} s, and {name} runs for up to {limit} s"
