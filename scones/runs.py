"""Starts the training workflow, which alone owns the endpoint, and tells how its run ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from scones.errors import LockedError, TrainingError
from scones.state import item
from scones.target import Target
from scones.training import follow, start
from scones.workflow import End

Say = Callable[[str], None]
SETTLE = "settle"
TRAINING, PACKAGING = "stage", "package"
TRAININGS = (TRAINING, PACKAGING)
"""What the input of a run that brings a new model says, or does not say, to start with."""


def run(target: Target, request: Mapping[str, Any], say: Say) -> End:
    """Run the workflow with an input to its end, after what settles an ended run.

    Raises
    ------
    TrainingError
        When it failed; a `LockedError` when another run held the lock.
    """
    while True:
        settle(target, say)
        execution = start(target, request)
        say(f"Started {execution}")
        try:
            return ended(target, execution, say)
        except LockedError:
            held = under_way(target)
            if held and held.start != SETTLE:
                raise
            # Either it has ended meanwhile, or it is one that is waited for.


def settle(target: Target, say: Say) -> None:
    """Follow the run to its end that by itself puts in order what an ended one has left, if it holds the lock."""
    held = under_way(target)
    if held and held.start == SETTLE:
        say(f"What an ended run has left is put in order first, by {held.execution_arn}")
        follow(target, held.execution_arn, say)


def ended(target: Target, execution_arn: str, say: Say) -> End:
    """Follow a run to its end.

    Raises
    ------
    TrainingError
        When it failed; a `LockedError` when another run held the lock.
    """
    end = follow(target, execution_arn, say)
    if end.error == "LockedError":
        raise LockedError(end.reason)
    if end.status == "failed":
        raise TrainingError(f"The training workflow failed: {end.reason}")
    return end


class UnderWay(NamedTuple):
    """A run that holds the lock, and what it was started for."""

    execution_arn: str
    start: str


def under_way(target: Target) -> UnderWay | None:
    """Return the run that holds the classifier's lock now, if one does."""
    holder = item(target, "lock").get("execution_arn", "")
    if not holder:
        return None
    functions = target.clients("stepfunctions")
    try:
        found = functions.describe_execution(executionArn=holder)
    except functions.exceptions.ExecutionDoesNotExist:
        return None
    if found["status"] != "RUNNING":
        return None
    return UnderWay(holder, json.loads(found.get("input") or "{}").get("start", TRAINING))


def end_training(target: Target, say: Say) -> None:
    """End the run that trains, if one does.

    Raises
    ------
    LockedError
        When the run that holds the lock does something else, which must not be ended in the middle.
    """
    held = under_way(target)
    if held is None or held.start == SETTLE:
        return
    if held.start not in TRAININGS:
        raise LockedError(
            f"A {held.start} is under way and not a training, {held.execution_arn}: wait for it."
        )
    target.clients("stepfunctions").stop_execution(
        executionArn=held.execution_arn, error="Ended", cause="`scones rollback --stop` ended it."
    )
    say(f"Ended the training {held.execution_arn}")
