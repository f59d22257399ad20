"""The commit that an upgrade begins at is there, or it is said why not."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.infra.conftest import ROOT
from tests.integration.upgrade.test_upgrade import BASELINE, unreachable


def test_a_clone_without_its_history_says_so(tmp_path: Path) -> None:
    assert unreachable(tmp_path) == "this folder is no clone"
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (
        ("git", "init", "--quiet", str(origin)),
        ("git", *author, "-C", str(origin), "commit", "--quiet", "--allow-empty", "--message", "one"),
        ("git", *author, "-C", str(origin), "commit", "--quiet", "--allow-empty", "--message", "two"),
        ("git", "clone", "--quiet", "--depth", "1", f"file://{origin}", str(clone)),
    ):
        subprocess.run(command, check=True)
    assert unreachable(origin) == ""
    assert "git fetch --unshallow" in unreachable(clone)


def test_a_whole_history_has_the_baseline() -> None:
    done = subprocess.run(["git", "cat-file", "-e", f"{BASELINE}^{{commit}}"], cwd=ROOT, check=False)
    assert done.returncode == 0 or unreachable()
