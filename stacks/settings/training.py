"""How a model is trained: on what, for how long, with which hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stacks.instances import gpus
from stacks.settings.base import Instances, Strict
from training.errors import HyperparameterError
from training.hyperparameters import Hyperparameters

RESERVED = ("classes", "target-error", "weights-sha256", "checkpoint-dir")
"""Hyperparameters that the workflow gives itself, from other settings."""
UNSEARCHED = ("seed", "threads", "device")
"""Hyperparameters that say nothing of how good a model can be: luck, and where it is made."""
STARTING_MINUTES = 15
"""What a job may take beyond its own limit: finding an instance, pulling the image, moving its files."""
TRAINING_LIMIT_MINUTES = 25 * 60
"""What the training workflow's own time-out of 26 hours leaves to the training step."""
TRAINING_SHARE_MINUTES = 30
"""What staging, evaluation and the endpoint leave of the hour that CloudFormation waits."""
MAX_VALUES = 30
"""Of a hyperparameter that is searched: ParameterValues in SageMaker's API."""


class RangeSettings(Strict):
    """Where a hyperparameter is searched: between two numbers, or among some values."""

    minimum: float | None = None
    maximum: float | None = None
    scale: Literal["linear", "log"] = "linear"
    values: tuple[str | int | float, ...] = Field(default=(), max_length=MAX_VALUES)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        numbers = self.minimum is not None and self.maximum is not None and self.minimum < self.maximum
        halves = self.minimum is not None or self.maximum is not None
        if numbers == bool(self.values) or (halves and self.values):
            raise ValueError("a range has a minimum and a larger maximum, or values")
        if self.scale == "log" and (self.minimum or 0) <= 0:
            raise ValueError("a range on a logarithmic scale begins above 0")
        return self


class SearchSettings(Strict):
    """A search for hyperparameters: training jobs that try some each, of which the best model is taken."""

    trials: int = Field(ge=2, le=100)
    parallel: int = Field(ge=1, le=10)
    ranges: Mapping[str, RangeSettings] = Field(min_length=1, max_length=30)

    @property
    def rounds(self) -> int:
        """How many times trials run side by side."""
        return -(-self.trials // self.parallel)

    @model_validator(mode="after")
    def _side_by_side(self) -> Self:
        if self.parallel > self.trials:
            raise ValueError(f"{self.parallel} of {self.trials} trials cannot run at once: lower parallel")
        return self

    @field_validator("ranges")
    @classmethod
    def _possible(cls, ranges: Mapping[str, RangeSettings]) -> Mapping[str, RangeSettings]:
        keys: set[str] = set()
        for name, given in ranges.items():
            key = _key(name)
            if key in keys:
                raise ValueError(f"the hyperparameter {key!r} is searched twice: give one range for it")
            keys.add(key)
            if key in UNSEARCHED:
                raise ValueError(f"the hyperparameter {key!r} is no choice of a model: remove its range")
            for value in given.values or (given.minimum, given.maximum):
                _check({name: text(name, value)})
            if len({_typed(name, value) for value in given.values}) < len(given.values):
                raise ValueError(f"a value of the hyperparameter {key!r} is given twice: give it once")
            if given.minimum is not None and _whole(name):
                try:
                    _check({name: text(name, given.minimum + 1)})
                except ValueError as error:
                    raise ValueError(
                        f"the hyperparameter {key!r} cannot be every number from {given.minimum:g} to "
                        f"{given.maximum:g}: give values instead of a minimum and a maximum"
                    ) from error
        return ranges


def text(name: str, value: Any) -> str:
    """Write a hyperparameter's value as SageMaker takes it: TOML's 3.0 is 3 where a whole number is wanted."""
    return str(int(value)) if _whole(name) and isinstance(value, float) and value.is_integer() else str(value)


def _typed(name: str, value: Any) -> object:
    """Return a hyperparameter's value as the training job reads it."""
    attribute: object = getattr(
        Hyperparameters.from_pairs([(name, text(name, value))]), name.replace("-", "_")
    )
    return attribute


def _whole(name: str) -> bool:
    """Whether a hyperparameter is a whole number."""
    return type(getattr(Hyperparameters, name.replace("-", "_"), "")) is int


def _key(name: str) -> str:
    """Return a hyperparameter's name as SageMaker takes it."""
    return name.replace("_", "-")


def _check(values: Mapping[str, str]) -> None:
    """Refuse what the training job would refuse."""
    try:
        Hyperparameters.from_strings(values)
    except HyperparameterError as error:
        raise ValueError(str(error).rstrip(".")) from error


class TrainingSettings(Instances):
    """How a model is trained."""

    use = "training"
    instance_count: int = Field(ge=1, le=8)
    spot: bool
    max_runtime_minutes: int = Field(ge=5, le=24 * 60)
    at_deploy: bool
    hyperparameters: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    search: SearchSettings | None = None

    @property
    def wait_minutes(self) -> int:
        """How long the job may take, the wait for spot capacity included."""
        return self.max_runtime_minutes * (2 if self.spot else 1)

    @property
    def distributed(self) -> bool:
        """Whether several processes share the work: one for each GPU, or for each instance without one."""
        return self.instance_count > 1 or gpus(self.instance_type) > 1

    @property
    def given(self) -> dict[str, str]:
        """The hyperparameters as SageMaker takes them."""
        return {_key(key): str(value) for key, value in self.hyperparameters.items()}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        rounds = self.search.rounds if self.search else 1
        if self.at_deploy and self.wait_minutes * rounds > TRAINING_SHARE_MINUTES:
            raise ValueError(
                f"training may take {self.wait_minutes * rounds} minutes (max_runtime_minutes, twice that with spot, "
                f"for each round of a search) and cannot fit CloudFormation's hour: allow {TRAINING_SHARE_MINUTES}, "
                "or set at_deploy = false and start the workflow with `scones train`"
            )
        longest = rounds * (self.wait_minutes + STARTING_MINUTES)
        if longest > TRAINING_LIMIT_MINUTES:
            raise ValueError(
                f"training may take {longest} minutes (max_runtime_minutes, twice that with spot, and "
                f"{STARTING_MINUTES} to start, for each round of a search), and the workflow allows "
                f"{TRAINING_LIMIT_MINUTES}: lower max_runtime_minutes, or have fewer trials or more of them in parallel"
            )
        searched = {_key(key) for key in (self.search.ranges if self.search else ())}
        for key in RESERVED:
            if key in self.given or key in searched:
                raise ValueError(f"the hyperparameter {key!r} follows from other settings: remove it")
        for key in sorted(searched & set(self.given)):
            raise ValueError(f"the hyperparameter {key!r} is given and searched: leave one of them out")
        _check({key: str(value) for key, value in self.hyperparameters.items()})
        return self
