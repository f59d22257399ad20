"""`scones doctor` as a person without credentials runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "eu-central-1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        # The console script, from elsewhere: its path has no folder of the project but the installed ones.
        [str(Path(sys.executable).parent / "scones"), "doctor", "--aws", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_says_what_it_could_not_check_when_there_are_no_credentials(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text("[classifier.vehicles.serving]\ninstance_count = 2\n")
    done = doctor(tmp_path, "--json", "--name", "other", "--settings", str(overlay))
    assert done.returncode == 0, done.stderr
    rows = {row["item"]: row for row in json.loads(done.stdout)}
    assert rows["settings"]["found"].startswith("other-dev: vehicles")
    assert rows["region"]["status"] == "ok"
    assert rows["cost of endpoint"]["found"].startswith("2 x ml.m5.large: $0.23 per hour")
    for item in ("credentials", "CDK bootstrap", "quotas", "instances", "images", "state machines"):
        assert rows[item]["status"] == "not checked", item
        assert rows[item]["advice"], item


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--env", "staging"), "There is no environment 'staging'"),
        (("--name", "Not A Name"), "may hold a-z, 0-9"),
    ],
)
def test_bad_settings_end_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = doctor(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
