"""The two handlers of CDK's Provider framework.

Invoked by hand with `{"RequestType": "Delete"}`, `is_complete` makes one clean-up sweep.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.leavings import Leavings
from lambda_src.adapters.training import Training
from lambda_src.environment import TrainOnDeployEnvironment
from lambda_src.errors import ServiceBusyError
from lambda_src.observability import logger
from lambda_src.train_on_deploy import cleanup, logic


@functools.cache
def _environment() -> TrainOnDeployEnvironment:
    return TrainOnDeployEnvironment.from_environ(os.environ)


def _training() -> Training:
    return Training(_environment().state_machine_arn, _environment().state_table_name)


def _leavings() -> Leavings:
    environment = _environment()
    tags = {"scones:deployment": environment.deployment, "scones:classifier": environment.classifier}
    return Leavings(environment.prefix, tags, environment.model_package_group_name)


def on_event(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start what the request asks for."""
    return logic.on_event(event, _environment().prefix, _training())


def is_complete(event: dict[str, Any], context: object) -> dict[str, bool]:
    """Say whether it has ended."""
    if event["RequestType"] != "Delete":
        return logic.is_complete(event, _training())
    try:
        return {"IsComplete": cleanup.clean(_training(), _leavings())}
    except ServiceBusyError:
        logger().warning("sweeping again later", exc_info=True)
        return {"IsComplete": False}
