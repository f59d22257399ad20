"""Starts the training workflow and tells what it does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from scones.target import Target, output
from scones.workflow import End, Follower, LogLine, Step

POLL_SECONDS = 2.0


def start(target: Target, request: Mapping[str, Any]) -> str:
    """Start the workflow with an input and return the execution's ARN."""
    machine = output(target.outputs(target.stacks[1]), "TrainingStateMachineArn")
    started = target.clients("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps(dict(request))
    )
    arn: str = started["executionArn"]
    return arn


def follow(target: Target, execution_arn: str, say: Callable[[str], None]) -> End:
    """Say what the workflow does until it ends, and return how it ended."""
    follower = Follower(target.clients, target.prefix, execution_arn)
    while True:
        # Asked before the news is read, so that nothing said before the end is missed.
        end = follower.end()
        for news in follower.news():
            say(describe(news))
        if end is not None:
            return end
        time.sleep(POLL_SECONDS)


def describe(news: Step | LogLine) -> str:
    """Return a line for a person."""
    if isinstance(news, LogLine):
        return f"    {news.job} | {news.text}"
    return f"{'done' if news.ended else 'step'} {news.name}"
