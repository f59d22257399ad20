"""Every Task calls what Step Functions has, in time, and handles errors that its service can raise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.optimized import unknown
from stacks.checks.rendering import Machine, machines
from stacks.checks.result import Result
from stacks.checks.services import TOKEN, Integration, errors, generals, integration

LONGEST = 99_999_999
"""The most that Step Functions takes as a time-out or an interval, in seconds."""
DELAY = 31_622_400
"""The most that it takes as the longest wait between retries."""
EXPRESS = 300
"""Seconds that an Express workflow runs at most; it also has neither `.sync`, task tokens nor distributed Maps:
https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html."""
ALL = "States.ALL"
NOT_OURS = ("framework-isComplete-task", "framework-onTimeout-task")
"""CDK's provider makes these Tasks, without a time-out: its functions end after 15 minutes at most."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check the Tasks of every state machine, and that every Choice has a way out."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            count += sum(1 for _ in machine.tasks())
            findings += [f"{machine.stack} {each}" for each in of_machine(machine)]
    return Result("tasks", "integrations, their fields, time-outs, retries, errors", count, tuple(findings))


def of_machine(machine: Machine) -> Iterator[str]:
    """Say what is wrong with one machine's states."""
    limit = json.loads(machine.definition).get("TimeoutSeconds")
    if machine.kind == "EXPRESS" and _within(limit, EXPRESS + 1, LONGEST):
        yield f"TimeoutSeconds is {limit}, and an Express workflow runs {EXPRESS} s at most"
    for name, state in machine.states():
        if state["Type"] == "Choice" and "Default" not in state:
            yield f"{name}: it has no Default, so that what no choice matches fails"
        if machine.kind == "EXPRESS" and _is_distributed(state):
            yield f"{name}: it is a distributed Map, and an Express workflow has none"
        if state["Type"] == "Task":
            ours = name not in NOT_OURS
            yield from (f"{name}: {each}" for each in of_task(state, ours=ours))
            if machine.kind == "EXPRESS" and integration(str(state["Resource"])).waits:
                yield f"{name}: it waits for a job or a token, and an Express workflow cannot"
            if ours and not state.get("Retry"):
                yield f"{name}: it tries once, and AWS's services refuse now and then"
            caught = [error for rule in state.get("Catch", []) for error in rule["ErrorEquals"]]
            if ours and machine.kind == "STANDARD" and ALL not in caught:
                yield f"{name}: it does not catch {ALL}, so that a failure leaves the lock and tells nobody"


def of_task(task: Mapping[str, Any], *, ours: bool = True) -> Iterator[str]:
    """Say what is wrong with one Task; one that is not ours needs no time-out."""
    called = integration(str(task["Resource"]))
    yield from called.faults()
    yield from unknown(called, task.get("Arguments", task.get("Parameters")))
    if called.pattern == TOKEN and "Task.Token" not in json.dumps(
        task.get("Arguments", task.get("Parameters"))
    ):
        yield "it waits for a token that its arguments do not send"
    if ours and "TimeoutSeconds" not in task:
        yield "it has no TimeoutSeconds"
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        if field in task and not (_is_expression(task[field]) or _within(task[field], 1, LONGEST)):
            yield f"{field} is {task[field]!r} and must be 1 to {LONGEST} seconds"
    for field in ("Retry", "Catch"):
        rules = task.get(field, [])
        for position, rule in enumerate(rules):
            yield from _of_rule(field, rule, last=position == len(rules) - 1)
            yield from (f"{field}: {each}" for each in _unknown(rule["ErrorEquals"], called))


def _unknown(named: Sequence[str], called: Integration) -> Iterator[str]:
    """Say which errors a Task never meets; the other kind's general name does no harm beside its own."""
    own, other = generals(called)
    for error in named:
        if error not in errors(called) and not (error == other and own in named):
            yield f"{called.service} has no error {error} at {called.action}"


def _of_rule(field: str, rule: Mapping[str, Any], *, last: bool) -> Iterator[str]:
    named = rule["ErrorEquals"]
    if not named:
        yield f"{field}: it names no error"
    if ALL in named and (len(named) > 1 or not last):
        yield f"{field}: {ALL} must stand alone and last"
    least = {"IntervalSeconds": 1, "MaxAttempts": 0, "MaxDelaySeconds": 1}
    most = {"IntervalSeconds": LONGEST, "MaxAttempts": LONGEST, "MaxDelaySeconds": DELAY}
    for name, lower in least.items():
        if name in rule and not _within(rule[name], lower, most[name]):
            yield f"{field}: {name} is {rule[name]!r} and must be {lower} to {most[name]}"
    rate = rule.get("BackoffRate", 2)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate < 1:
        yield f"{field}: BackoffRate is {rate!r} and must be at least 1"
    if rule.get("JitterStrategy", "NONE") not in ("FULL", "NONE"):
        yield f"{field}: JitterStrategy is {rule['JitterStrategy']!r} and must be FULL or NONE"
    if _within(rule.get("MaxDelaySeconds"), 1, DELAY) and rule["MaxDelaySeconds"] <= rule.get(
        "IntervalSeconds", 1
    ):
        yield f"{field}: MaxDelaySeconds must be more than IntervalSeconds"


def _is_distributed(state: Mapping[str, Any]) -> bool:
    processor: Mapping[str, Any] = state.get("ItemProcessor", {})
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{%")


def _within(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
