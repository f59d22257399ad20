"""Table stream in, partial batch failures out."""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.bus import Bus
from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.objects import Objects
from lambda_src.environment import PublishDecisionEnvironment
from lambda_src.publish_decision.logic import publish
from lambda_src.publish_decision.reviews import Reviews


@functools.cache
def _made() -> tuple[Bus, Reviews, DeadLetters]:
    environment = PublishDecisionEnvironment.from_environ(os.environ)
    reviews = Reviews(
        Objects(),
        environment.classifier,
        environment.routes,
        environment.results_bucket,
        environment.datasets_bucket,
    )
    return Bus(environment.event_bus_name), reviews, DeadLetters(environment.dead_letter_queue_url)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publish one batch of the stream."""
    return publish(event["Records"], *_made())
