"""Every check finds nothing in the environments as they are, and has looked at something."""

from __future__ import annotations

import pytest

from stacks.checks.__main__ import CHECKS
from stacks.checks.assemblies import Assembly
from stacks.checks.result import Check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__.rpartition(".")[2])
def test_a_check_finds_nothing(assemblies: list[Assembly], check: Check) -> None:
    result = check(assemblies)
    assert result.findings == ()
    assert result.count > 0
