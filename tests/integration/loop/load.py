"""Requests to the endpoint, all the while that something else happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from tests.integration.workflow.conftest import PREFIX, Deployment
from tests.integration.workflow.pictures import USABLE


@contextmanager
def load(
    cloud: Deployment, *, askers: int = 2, pause_seconds: float = 0.25
) -> Iterator[list[tuple[float, bool]]]:
    """Ask the endpoint all the while, and note when each request was sent and whether it was answered."""
    runtime, stop, found = cloud.client("sagemaker-runtime"), threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            sent = time.monotonic()
            try:
                runtime.invoke_endpoint(
                    EndpointName=PREFIX, Body=USABLE["plain.png"], ContentType="application/octet-stream"
                )
                found.append((sent, True))
            except ClientError:
                found.append((sent, False))
            stop.wait(pause_seconds)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(askers)]
    for each in threads:
        each.start()
    try:
        yield found
    finally:
        stop.set()
        for each in threads:
            each.join(30)
