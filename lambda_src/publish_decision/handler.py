"""Table stream in, partial batch failures out."""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.bus import Bus
from lambda_src.environment import PublishDecisionEnvironment
from lambda_src.publish_decision.logic import publish


@functools.cache
def _bus() -> Bus:
    return Bus(PublishDecisionEnvironment.from_environ(os.environ).event_bus_name)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publish one batch of the stream."""
    return publish(event["Records"], _bus())
