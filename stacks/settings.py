"""Every choice a deployment has, typed: read from `environments/`, checked before anything is synthesized."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from stacks.data_sources import ARGUMENT_LIMIT, Data, Strict
from stacks.guarding import ARRIVAL_MINUTES, LEAST_BAKE_MINUTES, PERIOD_MINUTES, PERIODS
from stacks.instances import Use, gpus, has_arm, has_gpu, has_own_chips, is_burstable, is_unsupported, known
from stacks.scaling_settings import ScalingSettings
from training.errors import HyperparameterError
from training.hyperparameters import Hyperparameters

PREFIX_LIMIT = 34
"""Room for `-xform-`, twelve characters of the run and a retry in SageMaker's 63."""
REPLACED_WHOLE = ("routes", "data", "hyperparameters", "search")
RESERVED = ("classes", "target-error", "weights-sha256", "checkpoint-dir")
"""Hyperparameters that the workflow gives itself, from other settings."""
STARTING_MINUTES = 15
"""What a job may take beyond its own limit: finding an instance, pulling the image, moving its files."""
TRAINING_LIMIT_MINUTES = 25 * 60
"""What the training workflow's own time-out of 26 hours leaves to the training step."""
DEPLOYMENT_SHARE_MINUTES = 45
"""What staging, evaluation and starting an endpoint leave of the hour to training and baking together."""
TRAINING_SHARE_MINUTES = 30
"""What staging, evaluation and the endpoint leave of the hour that CloudFormation waits."""
ANSWERS = ("none", "skip", "quit")
"""What `scones review` takes for something else than a class, as it does a number, which is a place in its list."""
KINDS = ("cifar100", "folder", "s3", "drawings")
"""pydantic names them within a place."""
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
POLICY_ARN = r"^(arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+)?$"
TAG = r"[\w .:/=+@-]%s"
"""https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"""
MAX_TAGS = 40
"""Of AWS's 50; CloudFormation and the stacks add their own."""
BUDGET_ADDRESSES = 10
"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_NotificationWithSubscribers.html"""
NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


class SettingsError(Exception):
    """A setting is missing, unknown or impossible; the message says which and what to do."""


class _Instances(Strict):
    instance_type: str
    gpu: bool
    use: ClassVar[Use]

    @field_validator("instance_type")
    @classmethod
    def _sagemaker_type(cls, value: str) -> str:
        if value not in known(cls.use):
            raise ValueError(
                f"{value!r} is no instance type that SageMaker has for {cls.use}, such as ml.m5.xlarge"
            )
        if has_own_chips(value):
            raise ValueError(
                f"{value} has chips of its own kind, which the images know nothing of: name a GPU or CPU type"
            )
        if is_unsupported(value, cls.use):
            raise ValueError(
                f"the GPUs of {value} do not fit the images for {cls.use}: name a g4dn, g5, g6, p4 or p5"
            )
        if has_arm(value):
            raise ValueError(f"{value} has ARM processors, and AWS's images are for x86: name another type")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.gpu and not has_gpu(self.instance_type):
            raise ValueError(f"gpu = true needs a GPU instance, and {self.instance_type} has none")
        if not self.gpu and has_gpu(self.instance_type):
            raise ValueError(
                f"{self.instance_type} is a GPU instance: set gpu = true, or name a CPU instance"
            )
        return self


class RangeSettings(Strict):
    """Where a hyperparameter is searched: between two numbers, or among some values."""

    minimum: float | None = None
    maximum: float | None = None
    scale: Literal["linear", "log"] = "linear"
    values: tuple[str | int | float, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        numbers = self.minimum is not None and self.maximum is not None and self.minimum < self.maximum
        if numbers == bool(self.values):
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
        for name, given in ranges.items():
            for value in given.values or (given.minimum, given.maximum):
                try:
                    Hyperparameters.from_strings({name: text(name, value)})
                except HyperparameterError as error:
                    raise ValueError(str(error).rstrip(".")) from error
        return ranges


def text(name: str, value: Any) -> str:
    """Write a hyperparameter's value as SageMaker takes it: TOML's 3.0 is 3 where a whole number is wanted."""
    whole = type(getattr(Hyperparameters, name.replace("-", "_"), "")) is int
    return str(int(value)) if whole and isinstance(value, float) and value.is_integer() else str(value)


class TrainingSettings(_Instances):
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
        return {key.replace("_", "-"): str(value) for key, value in self.hyperparameters.items()}

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
        searched = {key.replace("_", "-") for key in (self.search.ranges if self.search else ())}
        for key in RESERVED:
            if key in self.given or key in searched:
                raise ValueError(f"the hyperparameter {key!r} follows from other settings: remove it")
        for key in sorted(searched & set(self.given)):
            raise ValueError(f"the hyperparameter {key!r} is given and searched: leave one of them out")
        try:
            Hyperparameters.from_strings(self.given)
        except HyperparameterError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return self


class ServingSettings(_Instances):
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

    target_error: float = Field(gt=0, lt=0.5)
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
            if not re.fullmatch(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}", name):
                raise ValueError(f"the class name {name!r} may hold letters, digits, '_', '.' and '-' only")
            if name in ANSWERS or name.isdecimal():
                raise ValueError(
                    f"the class name {name!r} means something else to `scones review`: rename the class"
                )
        if len(",".join(routes)) > ARGUMENT_LIMIT:
            raise ValueError(f"the class names have more than {ARGUMENT_LIMIT} characters together")
        return routes

    @model_validator(mode="after")
    def _there(self) -> Self:
        known = self.data.known()
        missing = [name for name in self.routes if known is not None and name not in known]
        if missing:
            some = ", ".join(sorted(known or ())[:8]) or "no class folder"
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


class Settings(Strict):
    """One environment's settings, whole."""

    env: str = Field(pattern=NAME)
    name: str = Field(pattern=NAME)
    classifiers: tuple[str, ...] = Field(min_length=1)
    retention: Literal["destroy", "retain"]
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365]
    alarm_emails: tuple[Annotated[str, Field(pattern=EMAIL)], ...] = ()
    permissions_boundary: str = Field("", pattern=POLICY_ARN)
    tags: Mapping[str, str] = Field(default_factory=dict, max_length=MAX_TAGS)
    classifier: Mapping[str, ClassifierSettings]

    @field_validator("alarm_emails")
    @classmethod
    def _once(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({each for each in addresses if addresses.count(each) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is there twice: remove one")
        return addresses

    @field_validator("tags")
    @classmethod
    def _taggable(cls, tags: Mapping[str, str]) -> Mapping[str, str]:
        keys: dict[str, str] = {}
        for key, value in tags.items():
            if keys.setdefault(key.lower(), key) != key:
                raise ValueError(
                    f"{keys[key.lower()]!r} and {key!r} are one key to IAM: give it as {keys[key.lower()]!r}"
                )
            if not re.fullmatch(TAG % "{1,128}", key) or key.lower().startswith(("aws:", "scones:")):
                raise ValueError(
                    f"the key {key!r} has characters that AWS refuses, or a prefix that is reserved"
                )
            if not re.fullmatch(TAG % "{1,256}", value):
                raise ValueError(
                    f"the value {value!r} of {key!r} has characters that AWS refuses, none at all, or too many"
                )
        return tags

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for chosen in self.classifiers:
            if chosen not in self.classifier:
                known = ", ".join(sorted(self.classifier))
                raise ValueError(f"there is no classifier {chosen!r}; the settings describe: {known}")
            prefix = self.prefix(chosen)
            if not re.fullmatch(NAME, chosen) or len(prefix) > PREFIX_LIMIT:
                raise ValueError(
                    f"the name {prefix!r} would make SageMaker names that are too long or malformed: use at "
                    f"most {PREFIX_LIMIT} of a-z, 0-9 and '-'"
                )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        budgeted = [name for name, each in self.chosen().items() if each.monitoring.monthly_budget]
        if budgeted and len(self.alarm_emails) > BUDGET_ADDRESSES:
            raise ValueError(
                f"alarm_emails has {len(self.alarm_emails)} addresses, and the budget of {budgeted[0]!r} tells "
                f"{BUDGET_ADDRESSES} at most: name a list's address, or set monthly_budget = 0"
            )
        return self

    @property
    def deployment(self) -> str:
        """What sets this deployment apart from others in the account."""
        return f"{self.name}-{self.env}"

    @property
    def destroys(self) -> bool:
        """Whether `cdk destroy` takes the data along."""
        return self.retention == "destroy"

    def prefix(self, classifier: str) -> str:
        """Return what every name of a classifier begins with; its endpoint is called so."""
        return f"{self.deployment}-{classifier}"

    def chosen(self) -> dict[str, ClassifierSettings]:
        """Return the classifiers to stand up."""
        return {name: self.classifier[name] for name in self.classifiers}


def load(folder: Path, env: str, *, name: str | None = None, overlay: Path | None = None) -> Settings:
    """Read an environment's settings, with another file laid over them.

    Raises
    ------
    SettingsError
    """
    path = folder / f"{env}.toml"
    known = sorted(each.stem for each in folder.glob("*.toml"))
    if env not in known:
        raise SettingsError(f"There is no environment {env!r}; choose one with -c env=…: {', '.join(known)}.")
    content = _read(path)
    if overlay is not None:
        content = _merge(content, _read(overlay))
    if name is not None:
        if not re.fullmatch(NAME, name):
            raise SettingsError(
                f"The name {name!r} given with -c name=… may hold a-z, 0-9 and single '-' only."
            )
        content["name"] = name
    _tell_apart(env, str(content.get("name", "")), known)
    try:
        return Settings(**{**content, "env": env})
    except ValidationError as error:
        given = (
            f"{overlay or path}"
            if name is None
            else f"{overlay or path} under the name {name!r}, given by hand"
        )
        raise SettingsError(_sentence(given, error)) from error


def _tell_apart(env: str, name: str, known: Sequence[str]) -> None:
    """Refuse names that, joined, could be those of another deployment: `a-b` in `c` reads as `a` in `b-c`."""
    if "-" in env:
        raise SettingsError(f"The environment {env!r} must have no '-' in its name: rename its file.")
    if parts := sorted(set(name.split("-")) & set(known)):
        raise SettingsError(
            f"The name {name!r} holds the environment {parts[0]!r}, and could be taken for a deployment of it: choose "
            "another."
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from error


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict) and key not in REPLACED_WHOLE:
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _sentence(path: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"Unknown setting {where} in {path}: remove it, or correct its name."
    if first["type"] == "missing":
        return f"The setting {where} is missing in {path}: add it."
    if first["type"] != "value_error":
        said = f"{first['input']!r} will not do: {said[0].lower()}{said[1:]}"
    return f"Bad setting {where} in {path}: {said}." if where else f"Bad settings in {path}: {said}."
