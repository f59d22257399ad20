"""Pointers in, decisions out."""

from __future__ import annotations

import functools
import os
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.classify_image.logic import Classifier
from lambda_src.environment import ClassifyImageEnvironment


@functools.cache
def _classifier() -> Classifier:
    environment = ClassifyImageEnvironment.from_environ(os.environ)
    endpoint = Endpoint(environment.endpoint_name)
    return Classifier(Objects(), endpoint, environment.routes, environment.max_bytes, environment.sample_rate)


def handler(event: dict[str, Any], context: object) -> list[dict[str, Any]]:
    """Classify object versions."""
    return _classifier().classify(event)
