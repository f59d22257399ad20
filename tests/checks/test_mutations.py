"""Faults of many kinds are put into the deployment, and nearly all are caught."""

from __future__ import annotations

import pytest

from stacks.checks import mutations
from tests.infra.conftest import assembled


@pytest.mark.parametrize(
    ("per_kind", "most", "least"), [(1, 80, 80), pytest.param(2, 220, 200, marks=pytest.mark.slow)]
)
def test_nearly_every_fault_is_caught(per_kind: int, most: int, least: int) -> None:
    outcomes = mutations.run(assembled("prod"), per_kind=per_kind, most=most)
    assert len(outcomes) >= least
    assert mutations.share(outcomes) >= mutations.WANTED, mutations.table(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("env", ["dev", "prod"])
def test_nearly_every_fault_of_many_is_caught(env: str) -> None:
    # Others than those that the test above tries each time.
    outcomes = mutations.run(assembled(env), per_kind=10, seed=11)
    assert len(outcomes) >= 500
    assert mutations.share(outcomes) >= mutations.WANTED, mutations.table(outcomes)
