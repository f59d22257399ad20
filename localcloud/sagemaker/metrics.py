"""What an endpoint tells CloudWatch: invocations, errors and latency, in batches."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from localcloud.access import client
from localcloud.sagemaker.store import now

logger = logging.getLogger(__name__)

BATCH = 100


class Metrics:
    """Puts metric data in the background, so that no invocation waits for it."""

    def __init__(self) -> None:
        self._data: queue.Queue[dict[str, Any]] = queue.Queue()
        self._started = threading.Lock()

    def invocation(self, endpoint: str, variant: str, status: int, seconds: float) -> None:
        """Count one invocation."""
        if self._started.acquire(blocking=False):
            threading.Thread(target=self._put, daemon=True).start()
        dimensions = [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ]
        for name, value, unit in (
            ("Invocations", 1.0, "Count"),
            ("Invocation4XXErrors", float(400 <= status < 500), "Count"),
            ("Invocation5XXErrors", float(status >= 500), "Count"),
            ("ModelLatency", seconds * 1e6, "Microseconds"),
        ):
            self._data.put(
                {
                    "MetricName": name,
                    "Value": value,
                    "Unit": unit,
                    "Timestamp": now(),
                    "Dimensions": dimensions,
                }
            )

    def _put(self) -> None:
        while True:
            batch = [self._data.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._data.get(timeout=1.0))
                except queue.Empty:
                    break
            try:
                client("cloudwatch").put_metric_data(Namespace="AWS/SageMaker", MetricData=batch)
            except Exception:
                logger.exception("metrics were not put")


METRICS = Metrics()
