"""Shares the suite out between the workers of pytest-xdist, a folder to each at a time.

Half of its time is waiting for local clouds, the other half is one processor's work: two workers do both at once. A
folder stays together, because its tests share what is slow to make: a deployment, a cloud, the synthesized templates.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST = "workflow"
"""Begins first, so that the other worker does all the rest beside it."""
TOGETHER = {"e2e": "localcloud"}
"""Folders in another's scope: either starts clouds below `build`, and the one looks for what the other would start."""


def scope(nodeid: str) -> str:
    """Return the part of the suite that a test is of, like `unit` or `workflow`; paths begin with `tests`."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts[1:]
    folder = parts[parts[0] == "integration"]
    return TOGETHER.get(folder, folder)


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives a worker all tests of a folder, one after another."""

    # Not `xdist_group` marks: they need a node's id to be writable, which pytest 9.2 has ended.
    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Share out by folder, whatever `--dist` says."""
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest folder first."""
    root = Path(__file__).parents[1]
    items.sort(key=lambda item: scope(item.path.relative_to(root).as_posix()) != LONGEST)
