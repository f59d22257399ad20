"""One environment's settings, whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from stacks.settings.base import Strict
from stacks.settings.classifier import ClassifierSettings

PREFIX_LIMIT = 34
"""Room for `-xform-`, twelve characters of the run and a retry in SageMaker's 63."""
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
POLICY_ARN = r"^(arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+)?$"
TAG = r"[\w .:/=+@-]%s"
"""https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"""
MAX_TAGS = 40
"""Of AWS's 50; CloudFormation and the stacks add their own."""
BUDGET_ADDRESSES = 10
"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_NotificationWithSubscribers.html"""
NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


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
