"""Shares the suite out between the workers of pytest-xdist, a folder to each at a time.

Half of its time is waiting for local clouds, the other half is one processor's work: two workers do both at once. A
folder stays together, because its tests share what is slow to make: a deployment, a cloud, the synthesized templates.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LONGEST = "workflow"
"""Begins first, so that the other worker does all the rest beside it."""


def folder(test: Path) -> str:
    """Return the part of the suite that a test file is of, like `unit` or `workflow`."""
    parts = test.relative_to(TESTS).parts
    return parts[parts[0] == "integration"]


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's folder to xdist, and put the longest first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(folder(item.path)))
    items.sort(key=lambda item: folder(item.path) != LONGEST)
