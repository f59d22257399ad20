"""What a Map's items go through is in an execution's history, and each event names the one before it.

Items run at once, so their events interleave, and `previousEventId` alone tells whose an event is:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html. ministack 1.5.33 has neither.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any

_last: contextvars.ContextVar[tuple[str, int]] = contextvars.ContextVar("last", default=("", 0))
"""An execution and its last event on this way: each item takes its execution's context over, and goes on from there."""


def apply() -> None:
    """Note each state of an item, or of a branch, when it is looked up to be run, and what came before each event."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    run, add = stepfunctions._run_sub_machine, stepfunctions._add_event

    def adding(execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        event = add(execution, kind, details)
        name, last = _last.get()
        event["previousEventId"] = last if name == execution["executionArn"] else 0
        _last.set((execution["executionArn"], event["id"]))
        return event

    class Noted(dict[str, Any]):
        """States by name."""

        def __init__(self, states: Mapping[str, Any], execution: dict[str, Any]) -> None:
            super().__init__(states)
            self._execution = execution

        def get(self, name: str, default: Any = None) -> Any:
            state = super().get(name, default)
            if state:
                details = {"stateEnteredEventDetails": {"name": name}}
                adding(self._execution, f"{state['Type']}StateEntered", details)
            return state

    def running(states: Mapping[str, Any], start: str, data: Any, execution: dict[str, Any], ctx: Any) -> Any:
        return run(Noted(states, execution), start, data, execution, ctx)

    stepfunctions._add_event = adding
    stepfunctions._run_sub_machine = running
