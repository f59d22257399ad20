"""What the endpoint runs on, and how it is updated."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from stacks.guarding import ARRIVAL_MINUTES, LEAST_BAKE_MINUTES, PERIOD_MINUTES, PERIODS
from stacks.instances import is_burstable
from stacks.settings.base import Instances
from stacks.settings.scaling import ScalingSettings


class ServingSettings(Instances):
    """What the endpoint runs on, and whether it scales: without `scaling` it has `instance_count` instances.

    An update is watched for `bake_minutes`: a canary, and then the whole fleet for as many again. With `shadow` a new
    model first sees copies of the champion's requests, on an instance more.
    """

    use = "serving"
    instance_count: int = Field(ge=1, le=20)
    bake_minutes: int = Field(le=60)
    shadow: bool = False
    scaling: ScalingSettings | None = None

    @field_validator("bake_minutes")
    @classmethod
    def _guarded(cls, value: int) -> int:
        if value < LEAST_BAKE_MINUTES:
            raise ValueError(
                f"a rollout that is watched for {value} minutes is through before a guard alarm can ring, which takes "
                f"{PERIODS} periods of {PERIOD_MINUTES} minute and {ARRIVAL_MINUTES} until metrics arrive: bake for "
                f"{LEAST_BAKE_MINUTES} or more"
            )
        return value

    @property
    def baking_minutes(self) -> int:
        """How long an update is watched: a canary first, then the whole fleet."""
        return self.bake_minutes * (2 if self.instance_count >= 2 else 1)

    @model_validator(mode="after")
    def _scales_around(self) -> Self:
        scaling = self.scaling
        if scaling is None:
            return self
        if is_burstable(self.instance_type):
            raise ValueError(
                f"{self.instance_type} is burstable, which Application Auto Scaling does not register: leave scaling "
                "out, or name another type"
            )
        if not scaling.minimum_instances <= self.instance_count <= scaling.maximum_instances:
            raise ValueError(
                f"instance_count = {self.instance_count}, with which an endpoint begins, is not between "
                f"scaling.minimum_instances and scaling.maximum_instances: {scaling.minimum_instances} and "
                f"{scaling.maximum_instances}"
            )
        if self.instance_count >= 2 and scaling.least < 2:
            raise ValueError(
                "a canary takes one instance of two or more: let scaling leave 2, at night as well"
            )
        return self
