"""One line of what the doctor found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from scones.doctor.subject import Subject

Status = Literal["ok", "warning", "problem", "not checked"]


@dataclass(frozen=True)
class Row:
    """
    One item.

    Parameters
    ----------
    item
        What was looked at.
    status
        `ok`, `warning`, `problem`, or `not checked`.
    found
        What is so, or why it could not be known.
    advice
        What to do about it; empty where nothing needs doing.
    """

    item: str
    status: Status
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def ok(item: str, found: str, advice: str = "") -> Row:
    """Return a row with nothing to worry about."""
    return Row(item, "ok", found, advice)


def warning(item: str, found: str, advice: str) -> Row:
    """Return a row of what would stop no deployment, and is hardly meant."""
    return Row(item, "warning", found, advice)


def problem(item: str, found: str, advice: str) -> Row:
    """Return a row of what would stop the deployment."""
    return Row(item, "problem", found, advice)


def unchecked(item: str, why: str, advice: str) -> Row:
    """Return a row of what could not be known."""
    return Row(item, "not checked", why, advice)


Examination = Callable[[Subject], list[Row]]
