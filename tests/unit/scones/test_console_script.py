"""The installed `scones` works from any folder, with the project's installed packages alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("classify", "none.png"), "There is no file or folder none.png"),
        (("status", "--instance", "never-started"), "No local cloud runs in"),
        (("local", "status", "--instance", "never-started"), "No local cloud"),
        *(
            ((command, "--local", "--instance", "never-started"), "No local cloud runs in")
            for command in ("train", "rollback", "promote", "pause", "resume", "history", "cost", "review")
        ),
    ],
)
def test_an_error_is_one_sentence_when_run_from_elsewhere(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    command = [str(Path(sys.executable).parent / "scones"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
