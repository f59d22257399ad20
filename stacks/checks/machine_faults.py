"""Faults in state machines that nothing but AWS would notice: what each service, and each language, takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stacks.checks.changes import Change, always, at
from stacks.checks.services import OPTIMIZED_ERRORS, SDK_ERRORS, integration

Made = Iterator[tuple[str, str, Change]]


def of_task(name: str, state: dict[str, Any]) -> Made:
    """Yield faults in a Task that calls a service."""
    yield from _of_errors(name, state)
    yield from _of_durations(name, state)


def _of_errors(name: str, state: dict[str, Any]) -> Made:
    called = integration(state["Resource"])
    own, other = SDK_ERRORS.get(called.service, ""), OPTIMIZED_ERRORS.get(called.service, ("", ""))[0]
    if called.through_sdk:
        own, other = other, own
    for field in ("Retry", "Catch"):
        for number, rule in enumerate(state.get(field, [])):
            path = [field, number, "ErrorEquals", 0]
            service, _, error = rule["ErrorEquals"][0].partition(".")
            if error and service == other != own and own:
                named = always(f"{own}.{error}")
                yield "an error of the other integration", f"{name} {field} {error}", at(path, named)
            if error and service != "States":
                elsewhere = always(f"{service}.TableAlreadyExistsException")
                yield "an error of another operation", f"{name} {field} {error}", at(path, elsewhere)


def _of_durations(name: str, state: dict[str, Any]) -> Made:
    arguments = state.get("Arguments", {})
    stops = arguments.get("StoppingCondition", {}) if isinstance(arguments, dict) else {}
    for what, seconds in stops.items():
        longer = at(["TimeoutSeconds"], always(seconds))
        yield "a Task that waits too short for its job", f"{name} {what}", longer
        shorter = at(["Arguments", "StoppingCondition", what], always(state["TimeoutSeconds"] + 1))
        yield "a job that takes longer than its Task waits", f"{name} {what}", shorter
    if ":states:::" not in state["Resource"] and "TimeoutSeconds" in state:
        for seconds in (10, state["TimeoutSeconds"] * 10):
            other = at(["TimeoutSeconds"], always(seconds))
            yield "a Task that waits otherwise than its function takes", f"{name} {seconds}", other
