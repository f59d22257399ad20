"""Starts the training workflow, which alone owns the endpoint, and tells how its run ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scones.errors import TrainingError
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
    end = follow(target, execution, say)
    if end.status == "failed":
        raise TrainingError(f"The training workflow failed: {end.reason}")
    return end
