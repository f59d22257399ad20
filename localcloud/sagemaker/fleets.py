"""The containers of one endpoint configuration: one for each variant.

A variant of several instances is one process here, because the machine is one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from localcloud.containers.container import Answer
from localcloud.sagemaker import capture, members
from localcloud.sagemaker.members import Member
from localcloud.sagemaker.shadow import Shadow, share
from localcloud.sagemaker.store import Record

PRODUCTION, SHADOW = "ProductionVariants", "ShadowProductionVariants"


@dataclass(frozen=True)
class Fleet:
    """The containers that serve one endpoint configuration.

    Attributes
    ----------
    members
        Those of the production variants.
    instances
        How many the configuration asks for in production, which canary sizes are counted in.
    """

    config: str
    members: tuple[Member, ...]
    instances: int
    shadow: Shadow | None = None

    def pick(self) -> Member:
        """Choose a production variant for an invocation by the variants' weights."""
        return random.choices(self.members, [max(member.weight, 1e-9) for member in self.members])[0]  # noqa: S311

    def invoke(self, body: bytes, headers: Mapping[str, str]) -> tuple[Answer, str]:
        """Answer from a production variant, and name it; the shadow variant gets its copy."""
        member = self.pick()
        answer = member.invoke(body, headers)
        if self.shadow is not None:
            # Afterwards, because here both share the processors that on AWS each variant has for itself.
            self.shadow.send(body, headers)
        return answer, member.variant

    def stop(self) -> None:
        """End every container."""
        if self.shadow is not None:
            self.shadow.stop()
        for member in self.members:
            member.stop()


def variants(
    config: Record, kept: Sequence[dict[str, Any]] = (), *, kind: str = PRODUCTION
) -> list[dict[str, Any]]:
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
        for variant in config.shown.get(kind, ())
    ]


def described(config: Record, kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what an endpoint shows of its configuration: nothing as `None`, so that an update takes it away.

    Parameters
    ----------
    kept
        What the endpoint shows now, where its variants' properties are to stay.
    """
    shown = {kind: variants(config, (kept or {}).get(kind) or (), kind=kind) for kind in (PRODUCTION, SHADOW)}
    return {**shown, SHADOW: shown[SHADOW] or None, "DataCaptureConfig": capture.summary(config)}


def launch(endpoint: Record, config: Record) -> Fleet:
    """Start a container for every variant and wait until all are healthy.

    Raises
    ------
    JobFailedError, ValidationError, jobs.JobStoppedError
        When one cannot start; the others are ended then.
    """
    production, shadows = config.shown[PRODUCTION], config.shown.get(SHADOW, [])
    wanted = [*production, *shadows]
    with ThreadPoolExecutor(len(wanted)) as pool:
        starting = [pool.submit(members.launch, endpoint, config, variant) for variant in wanted]
    faults = [future.exception() for future in starting]
    if fault := next((fault for fault in faults if fault is not None), None):
        for future, own in zip(starting, faults, strict=True):
            if own is None:
                future.result().stop()
        raise fault
    serving = [future.result() for future in starting]
    shadow = None
    if shadows:
        shadow = Shadow(serving[-1], share(serving[-1].weight, serving[0].weight))
    instances = sum(variant.get("InitialInstanceCount", 1) for variant in production)
    return Fleet(config.name, tuple(serving[: len(production)]), instances, shadow)
