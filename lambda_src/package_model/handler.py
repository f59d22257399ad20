"""A training artifact in, a serving archive out."""

from __future__ import annotations

import os
from typing import Any

from lambda_src.adapters.objects import Objects
from lambda_src.environment import PackageModelEnvironment
from lambda_src.package_model.logic import package


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Package one run's model."""
    environment = PackageModelEnvironment.from_environ(os.environ)
    return package(event["training_artifact"], event["run"], environment, Objects())
