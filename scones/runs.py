"""Starts the training workflow, which alone owns the endpoint, and tells how its run ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from scones.errors import TrainingError
from scones.state import item
from scones.target import Target
from scones.training import follow, start
from scones.workflow import End

Say = Callable[[str], None]


def run(target: Target, request: Mapping[str, Any], say: Say) -> End:
    """Run the workflow with an input to its end.

    Raises
    ------
    TrainingError
        When it failed.
    """
    execution = start(target, request)
    say(f"Started {execution}")
    return ended(target, execution, say)


def ended(target: Target, execution_arn: str, say: Say) -> End:
    """Follow a run to its end.

    Raises
    ------
    TrainingError
        When it failed.
    """
    end = follow(target, execution_arn, say)
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
    return UnderWay(holder, json.loads(found.get("input") or "{}").get("start", "stage"))
