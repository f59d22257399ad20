"""An evaluation in, a count of agreeing answers out."""

from __future__ import annotations

import os
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.environment import SmokeTestEnvironment
from lambda_src.smoke_test.logic import SmokeTest


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Try the endpoint."""
    endpoint = Endpoint(SmokeTestEnvironment.from_environ(os.environ).endpoint_name)
    return {"checked": SmokeTest(Objects(), endpoint).check(event["evaluation_uri"], event["test_uri"])}
