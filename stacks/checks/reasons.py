"""Findings of a scanner against the reasons for those that are left standing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stacks.checks.assemblies import Assembly

Finding = tuple[str, str]
"""Rule and construct."""
Reason = tuple[str, str, str]
"""Expressions for rule and construct, and why what they match is left standing."""


def judged(found: Sequence[Finding], reasons: Sequence[Reason], *, whole: bool = True) -> tuple[str, ...]:
    """Return a sentence for each finding without a reason, and for each reason without a finding.

    Of a part of what the reasons are written for, `whole=False`, nothing follows from a reason without a finding.
    """
    unexplained = [f"{place}: {rule}" for rule, place in found if not explained((rule, place), reasons)]
    stale = [
        f"the reason for {reason[0]} at {reason[1]} explains nothing any more: remove it"
        for reason in reasons
        if whole and not any(explained(finding, [reason]) for finding in found)
    ]
    return (*unexplained, *stale)


def of_destroyed(rule: str) -> Reason:
    """Return the reason that stands where an environment's settings destroy its data, whatever it is called."""
    why = "Where the settings destroy data, no backup of it is paid for."
    return (rule, r".*/Results/Table/Resource", why)


def destroys(assembly: Assembly) -> bool:
    """Say whether an environment's tables go with its stacks."""
    tables = [resource for _, _, resource in assembly.resources("AWS::DynamoDB::GlobalTable")]
    return bool(tables) and all(each.get("DeletionPolicy") == "Delete" for each in tables)


def explained(finding: Finding, reasons: Sequence[Reason]) -> bool:
    """Say whether a reason stands for a finding."""
    rule, place = finding
    return any(re.fullmatch(which, rule) and re.fullmatch(where, place) for which, where, _ in reasons)
