"""How an endpoint's instances follow its traffic."""

from __future__ import annotations

from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from stacks.settings.base import Strict

CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


class NightSettings(Strict):
    """Hours with fewer instances.

    Parameters
    ----------
    start, end
        On the clock of `timezone`, such as 22:00.
    minimum_instances
        Of the night; the traffic may ask for more then too.
    """

    start: str = Field(pattern=CLOCK)
    end: str = Field(pattern=CLOCK)
    minimum_instances: int = Field(ge=1, le=100)
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone, such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"a night from {self.start} to {self.end} never ends: give it another end")
        return self


class ScalingSettings(Strict):
    """Target tracking: instances are added and taken away so that each works on about so many requests at once.

    Parameters
    ----------
    minimum_instances, maximum_instances
        Bounds; an endpoint begins with `instance_count`.
    target_concurrency
        Requests that one instance works on at once, those that wait in it included.
    scale_out_cooldown_seconds
        After instances were added: Application Auto Scaling's own 300, for a new one takes minutes to serve.
    scale_in_cooldown_seconds
        After one was taken away: longer, so that a lull between two bursts does not cost what the next one needs.
    night
        Hours with fewer instances.
    """

    minimum_instances: int = Field(ge=1, le=100)
    maximum_instances: int = Field(ge=1, le=100)
    target_concurrency: float = Field(gt=0, le=1000)
    scale_out_cooldown_seconds: int = Field(300, ge=0, le=3600)
    scale_in_cooldown_seconds: int = Field(600, ge=0, le=3600)
    night: NightSettings | None = None

    @property
    def least(self) -> int:
        """The fewest instances that it may come to, by day or by night."""
        return min(self.minimum_instances, self.night.minimum_instances if self.night else 100)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.minimum_instances >= self.maximum_instances:
            raise ValueError(
                f"from {self.minimum_instances} to {self.maximum_instances} instances there is nothing to scale: "
                "raise maximum_instances, or leave the table out"
            )
        if self.night is not None and self.night.minimum_instances >= self.minimum_instances:
            raise ValueError(
                f"the night's {self.night.minimum_instances} instances are no fewer than the day's "
                f"{self.minimum_instances}: lower night.minimum_instances, or leave the night out"
            )
        return self
