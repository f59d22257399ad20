"""The container of one variant: started in its model's role, invoked, counted, captured, ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import access
from localcloud.containers import ray_serve
from localcloud.containers.container import Answer, Container
from localcloud.sagemaker import jobs
from localcloud.sagemaker.capture import Capture, Exchange
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.metrics import METRICS
from localcloud.sagemaker.store import KINDS, STORE, Record, now


@dataclass(frozen=True)
class Member:
    """The container of one variant."""

    endpoint: str
    variant: str
    weight: float
    container: Container
    log: LogStream
    folder: Path
    capture: Capture | None

    def invoke(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one invocation, count it under the variant's name, and capture it where it succeeded."""
        moment, started = now(), time.monotonic()
        answer = self.container.invoke(body, headers)
        METRICS.invocation(self.endpoint, self.variant, answer.status, time.monotonic() - started)
        if self.capture is not None and 200 <= answer.status < 300:
            self.capture.add(Exchange(moment, body, headers, answer))
        return answer

    def stop(self) -> None:
        """End the container, write what was captured, and drop its folder."""
        self.container.stop()
        if self.capture is not None:
            self.capture.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def launch(endpoint: Record, config: Record, variant: Mapping[str, Any]) -> Member:
    """Start one variant's container in its model's role and wait until it is healthy."""
    model = STORE.get(KINDS["Model"], variant["ModelName"])
    with access.acting(model.shown["ExecutionRoleArn"], jobs.PRINCIPAL, endpoint.arn):
        access.allowed("cloudwatch:PutMetricData", cloudwatch_namespace="/aws/sagemaker/Endpoints")
        return _started(endpoint, config, variant, model)


def _started(endpoint: Record, config: Record, variant: Mapping[str, Any], model: Record) -> Member:
    name = variant["VariantName"]
    log = LogStream(f"/aws/sagemaker/Endpoints/{endpoint.name}", f"{name}/{config.name}")
    folder = jobs.scratch("ep")
    try:
        container = ray_serve.start(
            model.shown,
            {},
            folder,
            log,
            endpoint.stop,
            limit=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", ray_serve.START_SECONDS),
        )
    except BaseException:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    settings = config.shown.get("DataCaptureConfig")
    capture = None
    if settings is not None and settings.get("EnableCapture", True):
        capture = Capture(settings, endpoint, name, model.shown["ExecutionRoleArn"], log)
    weight = variant.get("InitialVariantWeight", 1.0)
    return Member(endpoint.name, name, weight, container, log, folder, capture)
