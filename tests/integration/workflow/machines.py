"""State machines as graphs of paths, and which of these an execution took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.checks import rendering

ANY = "States.ALL"


@dataclass(frozen=True, order=True)
class Path:
    """
    Something that an execution can do.

    Parameters
    ----------
    machine
        The state machine.
    kind
        `state`, `transition`, `retry`, `catch`, or `failure`: an error that nothing catches.
    what
        State, states or state and error, in words.
    """

    machine: str
    kind: str
    what: str


@dataclass(frozen=True)
class Machine:
    """A state machine that is there."""

    arn: str
    name: str
    express: bool
    definition: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Which of the app's machines it is."""
        if "framework-isComplete-task" in self.states:
            return "waiter"
        if "Analyse" in self.states:
            return "analysis"
        return "classification" if self.express else "training"

    @property
    def states(self) -> Mapping[str, Any]:
        """Its states by name, those of a Map's items too."""
        return dict(rendering.states(self.definition))

    def paths(self) -> Iterator[Path]:
        """Yield all that an execution can do."""
        for name, state in self.states.items():
            yield Path(self.label, "state", name)
            for following in _following(state):
                yield self._transition(name, following)
            for error in retried(state):
                yield self._retry(name, error)
            for catcher in state.get("Catch", []):
                yield self._catch(name, catcher)
            if state["Type"] == "Task" and not _caught(state, ANY):
                yield Path(self.label, "failure", name)

    def taken(self, events: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
        """Yield what the events of one execution's history show; a Map's items go their ways at once."""
        after = {0: ("", "")}
        for event in events:
            kind = event["type"]
            state, error = after[event.get("previousEventId", 0)]
            if kind.endswith("StateEntered"):
                entered = event["stateEnteredEventDetails"]["name"]
                catcher = _caught(self.states[state], error) if error else None
                if catcher:
                    yield self._catch(state, catcher)
                elif state:
                    yield self._transition(state, entered)
                yield Path(self.label, "state", entered)
                state, error = entered, ""
            elif kind == "TaskScheduled" and error:
                named = error in retried(self.states[state])
                yield self._retry(state, error if named else ANY)
                error = ""
            elif kind == "TaskFailed":
                error = event["taskFailedEventDetails"]["error"]
            elif kind == "ExecutionFailed" and error:
                yield Path(self.label, "failure", state)
            after[event["id"]] = (state, error)

    def _transition(self, state: str, following: str) -> Path:
        return Path(self.label, "transition", f"{state} → {following}")

    def _retry(self, state: str, error: str) -> Path:
        return Path(self.label, "retry", f"{state} after {error}")

    def _catch(self, state: str, catcher: Mapping[str, Any]) -> Path:
        return Path(self.label, "catch", f"{state}: {', '.join(catcher['ErrorEquals'])} → {catcher['Next']}")


def described(stepfunctions: Any, arn: str) -> Machine:
    """Describe a state machine."""
    found = stepfunctions.describe_state_machine(stateMachineArn=arn)
    definition = json.loads(found["definition"])
    return Machine(arn, found["name"], found["type"] == "EXPRESS", definition)


def history(stepfunctions: Any, execution: str) -> list[Mapping[str, Any]]:
    """Return an execution's events; on AWS an Express execution's are in its log alone."""
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution)
    return [event for page in pages for event in page["events"]]


def retried(state: Mapping[str, Any]) -> list[str]:
    """Names of the errors that a state retries."""
    return [error for retrier in state.get("Retry", []) for error in retrier["ErrorEquals"]]


def _following(state: Mapping[str, Any]) -> Iterator[str]:
    places = [state.get("Next"), state.get("Default"), *(each["Next"] for each in state.get("Choices", []))]
    places += [each["StartAt"] for each in rendering.inner(state)]
    yield from dict.fromkeys(place for place in places if place)


def _caught(state: Mapping[str, Any], error: str) -> Mapping[str, Any] | None:
    catchers: list[Mapping[str, Any]] = state.get("Catch", [])
    return next((each for each in catchers if {error, ANY} & set(each["ErrorEquals"])), None)
