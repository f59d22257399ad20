"""Templates are the same bytes twice, and from another folder."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.infra.conftest import ROOT

SOURCES = ("app.py", "cdk.json", "environments", "stacks", "lambda_src", "training", "serving", "classifier")


def _templates(folder: Path, output: Path) -> dict[str, str]:
    """Synthesize with no credentials and no network settings, and hash the templates."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(output.parent), "CI": "true"}
    cli = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    subprocess.run(
        [
            "node",
            str(cli),
            "synth",
            "--quiet",
            "--no-notices",
            "--output",
            str(output),
            "--app",
            f"{shlex.quote(sys.executable)} app.py",
            "--context",
            "env=dev",
        ],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.glob("*.template.json"))
    }


def test_templates_are_identical_when_synthesized_from_another_folder(tmp_path: Path) -> None:
    other = tmp_path / "another folder"
    for source in SOURCES:
        target = other / source
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, target)
    here, there = _templates(ROOT, tmp_path / "one"), _templates(other, tmp_path / "two")
    assert len(here) == 3
    assert here == there
