"""The installed `scones` works from any folder, with the project's installed packages alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_command_line_for_aws_needs_nothing_of_the_local_cloud(tmp_path: Path) -> None:
    code = "import sys; sys.modules['psutil'] = None; from scones.cli import main; sys.argv[0] = 'scones'; main()"
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    def said(*words: str) -> str:
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "There are no AWS credentials" in said("status")
    for words in (("status", "--local"), ("review", "--instance", "x"), ("local", "status"), ("local", "up")):
        assert "run `make setup-local`, or choose --aws" in said(*words)


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
