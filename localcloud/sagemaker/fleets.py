"""The containers of one endpoint configuration: one for each variant.

A variant of several instances is one process here, because the machine is one.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud import access
from localcloud.containers import ray_serve
from localcloud.sagemaker import jobs
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import KINDS, STORE, Record


@dataclass(frozen=True)
class Member:
    """The container of one variant."""

    variant: str
    weight: float
    container: ray_serve.Container
    log: LogStream
    folder: Path

    def stop(self) -> None:
        """End the container and drop its folder."""
        self.container.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Fleet:
    """The containers that serve one endpoint configuration.

    Attributes
    ----------
    instances
        How many the configuration asks for, which canary sizes are counted in.
    """

    config: str
    members: tuple[Member, ...]
    instances: int

    def pick(self) -> Member:
        """Choose a variant for an invocation by the variants' weights."""
        return random.choices(self.members, [max(member.weight, 1e-9) for member in self.members])[0]  # noqa: S311

    def stop(self) -> None:
        """End every container."""
        for member in self.members:
            member.stop()


def variants(config: Record, kept: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Describe a configuration's variants as a serving endpoint does; those in `kept` stay as they are."""
    known = {each["VariantName"]: each for each in kept}
    return [
        {
            "VariantName": variant["VariantName"],
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
            "CurrentInstanceCount": variant.get("InitialInstanceCount", 1),
            "DesiredInstanceCount": variant.get("InitialInstanceCount", 1),
            **known.get(variant["VariantName"], {}),
        }
        for variant in config.shown["ProductionVariants"]
    ]


def launch(endpoint: Record, config: Record) -> Fleet:
    """Start a container for every variant and wait until all are healthy.

    Raises
    ------
    JobFailedError, ValidationError, jobs.JobStoppedError
        When one cannot start; the others are ended then.
    """
    wanted = config.shown["ProductionVariants"]
    with ThreadPoolExecutor(len(wanted)) as pool:
        starting = [pool.submit(_launch, endpoint, config, variant) for variant in wanted]
    faults = [future.exception() for future in starting]
    if fault := next((fault for fault in faults if fault is not None), None):
        for future, own in zip(starting, faults, strict=True):
            if own is None:
                future.result().stop()
        raise fault
    instances = sum(variant.get("InitialInstanceCount", 1) for variant in wanted)
    return Fleet(config.name, tuple(future.result() for future in starting), instances)


def _launch(endpoint: Record, config: Record, variant: dict[str, Any]) -> Member:
    """Start one variant's container in its model's role."""
    model = STORE.get(KINDS["Model"], variant["ModelName"])
    with access.acting(model.shown["ExecutionRoleArn"], jobs.PRINCIPAL, endpoint.arn):
        access.allowed("cloudwatch:PutMetricData", cloudwatch_namespace="/aws/sagemaker/Endpoints")
        return _started(endpoint, config, variant, model)


def _started(endpoint: Record, config: Record, variant: dict[str, Any], model: Record) -> Member:
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
    return Member(name, variant.get("InitialVariantWeight", 1.0), container, log, folder)
