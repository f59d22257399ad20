"""The two handlers of CDK's Provider framework."""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.leavings import Leavings
from lambda_src.adapters.training import Training
from lambda_src.environment import TrainOnDeployEnvironment
from lambda_src.train_on_deploy import cleanup, logic


@functools.cache
def _environment() -> TrainOnDeployEnvironment:
    return TrainOnDeployEnvironment.from_environ(os.environ)


def _training() -> Training:
    return Training(_environment().state_machine_arn, _environment().state_table_name)


def on_event(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start what the request asks for."""
    return logic.on_event(event, _environment().prefix, _training())


def is_complete(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Say whether it has ended."""
    if event["RequestType"] == "Delete":
        environment = _environment()
        leavings = Leavings(environment.prefix, environment.deployment, environment.model_package_group_name)
        return {"IsComplete": cleanup.clean(_training(), leavings)}
    return logic.is_complete(event, _training())
