"""One classifier's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, field_validator, model_validator

from lambda_src.naming import CLASS_NAME
from stacks.settings.base import Strict
from stacks.settings.data import ARGUMENT_LIMIT, Data
from stacks.settings.serving import ServingSettings
from stacks.settings.training import TrainingSettings

DEPLOYMENT_SHARE_MINUTES = 45
"""What staging, evaluation and starting an endpoint leave of the hour to training and baking together."""
ANSWERS = ("none", "skip", "quit")
"""What `scones review` takes for something else than a class, as it does a number, which is a place in its list."""


class GateSettings(Strict):
    """What a model must reach to be deployed."""

    minimum_accuracy: float = Field(ge=0, le=1)


class ReviewSettings(Strict):
    """What people check besides what the model is unsure of."""

    sample_rate: float = Field(ge=0, le=1)


class LimitSettings(Strict):
    """What one image may weigh, and how many are classified at once."""

    max_bytes: int = Field(ge=1024, le=6 * 1024 * 1024)
    concurrency: int = Field(ge=2, le=1000)


class MonitoringSettings(Strict):
    """How a classifier's traffic is watched, and when it is trained anew.

    Parameters
    ----------
    every_hours
        Hours from one look at the prediction log to the next.
    window_images, minimum_images, window_hours
        Images that are judged together; the fewest that a judgement takes, and the hours after which a window that
        is not full ends all the same.
    quiet_hours
        An alarm rings after so many hours without one image; 0 has none.
    retrain
        Whether drift, poor answers or reviewed pictures start a training.
    roll_back
        Whether a new model is rolled back that its first live traffic speaks against.
    cooldown_hours
        No second training is started within so many hours.
    enough_reviews
        So many new reviewed pictures start a training.
    retrain_every_days
        A training starts by the calendar; 0 never.
    monthly_budget
        US dollars; 0 has no budget.
    """

    every_hours: int = Field(ge=1, le=24)
    window_images: int = Field(ge=20, le=10_000)
    minimum_images: int = Field(ge=10, le=10_000)
    window_hours: int = Field(ge=1, le=24 * 14)
    quiet_hours: int = Field(ge=0, le=24)
    retrain: bool
    roll_back: bool
    cooldown_hours: int = Field(ge=1, le=24 * 90)
    enough_reviews: int = Field(ge=1, le=10_000)
    retrain_every_days: int = Field(ge=0, le=365)
    monthly_budget: int = Field(ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.minimum_images > self.window_images:
            raise ValueError(
                f"a window of {self.window_images} images never has the minimum of {self.minimum_images}: lower "
                "minimum_images"
            )
        return self


class ClassifierSettings(Strict):
    """One classifier."""

    target_error: float = Field(ge=1e-6, lt=0.5)
    routes: Mapping[str, str]
    data: Data
    training: TrainingSettings
    serving: ServingSettings
    gate: GateSettings
    limits: LimitSettings
    monitoring: MonitoringSettings
    review: ReviewSettings

    @field_validator("routes")
    @classmethod
    def _classes(cls, routes: Mapping[str, str]) -> Mapping[str, str]:
        if len(routes) < 2:
            raise ValueError("a classifier needs at least two classes")
        for name in routes:
            if not CLASS_NAME.fullmatch(name):
                raise ValueError(
                    f"the class name {name!r} may hold letters, digits, '_', '.' and '-' only, a letter or digit first "
                    "and 64 at most"
                )
            if name in ANSWERS or name.isdecimal():
                raise ValueError(
                    f"the class name {name!r} means something else to `scones review`: rename the class"
                )
        if len({name.lower() for name in routes}) < len(routes):
            raise ValueError("two of the class names differ in upper and lower case alone: rename one")
        if len(",".join(routes)) > ARGUMENT_LIMIT:
            raise ValueError(f"the class names have more than {ARGUMENT_LIMIT} characters together")
        return routes

    @model_validator(mode="after")
    def _there(self) -> Self:
        known = self.data.known()
        missing = [name for name in self.routes if known is not None and name not in known]
        if missing:
            some = ", ".join(sorted(known or ())[:8]) or "no class folder with files"
            raise ValueError(
                f"data of the kind {self.data.kind} has no class {missing[0]!r}, which routes names; it has {some}"
            )
        return self

    @model_validator(mode="after")
    def _within_the_hour(self) -> Self:
        training = self.training.wait_minutes * (self.training.search.rounds if self.training.search else 1)
        if self.training.at_deploy and training + self.serving.baking_minutes > DEPLOYMENT_SHARE_MINUTES:
            raise ValueError(
                f"training may take {training} minutes and baking {self.serving.baking_minutes} (twice bake_minutes "
                "with a canary), which cannot fit CloudFormation's hour: allow "
                f"{DEPLOYMENT_SHARE_MINUTES} together, or set at_deploy = false and start the workflow with "
                "`scones train`"
            )
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's outputs."""
        return tuple(self.routes)
