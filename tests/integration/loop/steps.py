"""Executions that are stopped at one of their states."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.workflow.conftest import Deployment, until
from tests.integration.workflow.machines import history

HELD = "HeldByATest"
ENTER_SECONDS = 900.0
"""Long enough for a whole training on a machine that others load."""


@contextmanager
def holding(cloud: Deployment, machine: str, step: str) -> Iterator[None]:
    """Let executions that begin meanwhile wait before a state of theirs; each keeps the definition it began with."""
    client = cloud.client("stepfunctions")
    definition = client.describe_state_machine(stateMachineArn=machine)["definition"]
    client.update_state_machine(
        stateMachineArn=machine, definition=json.dumps(_held(json.loads(definition), step))
    )
    try:
        yield
    finally:
        client.update_state_machine(stateMachineArn=machine, definition=definition)


def entered(cloud: Deployment, execution: str, step: str) -> None:
    """Wait until an execution is in a state."""
    client = cloud.client("stepfunctions")

    def found() -> bool | None:
        names = (each.get("stateEnteredEventDetails", {}).get("name") for each in history(client, execution))
        if step in names:
            return True
        shown = client.describe_execution(executionArn=execution)
        assert shown["status"] == "RUNNING", (step, shown.get("error"), shown.get("cause"))
        return None

    until(found, ENTER_SECONDS, step)


def stop_before(cloud: Deployment, machine: str, step: str, begin: Callable[[], str]) -> None:
    """Begin an execution, and stop it when all that comes before a state is done, and nothing of the state."""
    with holding(cloud, machine, step):
        execution = begin()
        entered(cloud, execution, HELD)
    # What follows an ended run is held by nobody.
    cloud.client("stepfunctions").stop_execution(executionArn=execution)


def _held(definition: dict[str, Any], step: str) -> dict[str, Any]:
    states = definition["States"]
    ways = [
        (place, key)
        for state in states.values()
        for place in (state, *state.get("Choices", []), *state.get("Catch", []))
        for key in ("Next", "Default")
        if place.get(key) == step
    ]
    assert ways, f"nothing leads to {step}"
    for place, key in ways:
        place[key] = HELD
    return {**definition, "States": {**states, HELD: {"Type": "Wait", "Seconds": 3600, "Next": step}}}
