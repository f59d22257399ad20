"""Templates are the same bytes twice, and from another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stacks import assets
from stacks.checks.assemblies import cli_context
from tests.infra.conftest import ROOT, synthesize

SOURCES = ("app.py", "cdk.json", "environments", "stacks", "lambda_src", "training", "serving", "classifier")


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.template.json")}


def test_templates_are_identical_when_synthesized_again_from_another_folder(tmp_path: Path) -> None:
    other, output = tmp_path / "another folder", tmp_path / "output"
    for source in SOURCES:
        target = other / source
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, target)
    environment = {
        # No credentials, and nothing of this process's settings.
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        # Only unpacked packages are in it, and to unpack them takes longer than all the rest.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache"),
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps({**cli_context(), "env": "dev"}),
    }
    subprocess.run([sys.executable, "app.py"], cwd=other, env=environment, check=True)
    here, there = _texts(synthesize("dev").folder), _texts(output)
    assert len(here) == 3
    assert here == there
    for text in here.values():
        assert str(ROOT) not in text
        assert str(tmp_path) not in text


def test_another_day_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"b/two.py": b"2", "a.py": b"1"}
    before = [assets._tar(members), assets._zip(members)]
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    assert [assets._tar(dict(reversed(members.items()))), assets._zip(members)] == before
