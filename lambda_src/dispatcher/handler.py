"""SQS in, partial batch failures out."""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.workflow import Workflow
from lambda_src.dispatcher.logic import Dispatcher
from lambda_src.environment import DispatcherEnvironment


@functools.cache
def _dispatcher() -> Dispatcher:
    environment = DispatcherEnvironment.from_environ(os.environ)
    workflow = Workflow(environment.state_machine_arn)
    dead_letters = DeadLetters(environment.dead_letter_queue_url)
    return Dispatcher(workflow, dead_letters, environment.max_receives, environment.concurrency)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Dispatch one batch."""
    return _dispatcher().dispatch(event["Records"])
