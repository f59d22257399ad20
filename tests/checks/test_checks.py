"""Every check finds nothing in the environments as they are, and has looked at something."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.checks import (
    arguments,
    between,
    expressions,
    functions,
    language,
    permissions,
    roles,
    tasks,
)
from stacks.checks.__main__ import CHECKS
from stacks.checks.assemblies import Assembly, synthesize
from stacks.checks.result import Check
from stacks.constructs import owned_function

SEARCH = """
[classifier.vehicles.training]
max_runtime_minutes = 7
[classifier.vehicles.training.search]
trials = 4
parallel = 2
[classifier.vehicles.training.search.ranges]
learning-rate = { minimum = 0.0003, maximum = 0.003, scale = "log" }
epochs = { minimum = 5, maximum = 20 }
frozen-blocks = { values = [0, 3] }
"""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__.rpartition(".")[2])
def test_a_check_finds_nothing(assemblies: list[Assembly], check: Check) -> None:
    result = check(assemblies)
    assert result.findings == ()
    assert result.count > 0


def test_the_checks_of_machines_and_roles_find_nothing_when_training_is_a_search(tmp_path: Path) -> None:
    overlay = tmp_path / "search.toml"
    overlay.write_text(SEARCH)
    assembly = synthesize("prod", overlay=overlay)
    for check in (language, expressions, tasks, arguments, between, permissions, functions, roles):
        result = check.check([assembly])
        assert result.findings == (), check.__name__


def test_a_module_that_a_functions_package_lacks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    less = tuple(each for each in owned_function.SHARED if each != "lambda_src/naming.py")
    monkeypatch.setattr(owned_function, "SHARED", less)
    findings = functions.check([synthesize("dev")]).findings
    assert len(findings) == 2
    assert all("it imports lambda_src.naming, which its package lacks" in each for each in findings)
