"""What a check reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stacks.checks.assemblies import Assembly


@dataclass(frozen=True)
class Result:
    """
    One check's outcome.

    Parameters
    ----------
    check
        Its name, as the table shows it.
    looked_at
        What was examined, in a few words.
    count
        How many of those.
    findings
        What is wrong, one sentence each; empty when nothing is.
    """

    check: str
    looked_at: str
    count: int
    findings: tuple[str, ...]


Check = Callable[[Sequence[Assembly]], Result]
