"""GitHub's workflows: valid, pinned, confined, and doing what the Makefile has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.checks.assemblies import environments
from tests.checks import workflows
from tests.infra.conftest import ROOT, assembled
from tools import deployed

FOLDER = ROOT / ".github"
WORKFLOWS = {path.name: path for path in sorted((FOLDER / "workflows").glob("*.yml"))}
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
LOCAL = re.compile(r"uses: \./\.github/workflows/[\w.-]+\.yml # zizmor: ignore\[self-repository\]$")
WITH_CREDENTIALS = {("deploy.yml", "deploy"), ("destroy.yml", "destroy")}


def loaded(name: str) -> dict[str, Any]:
    """Read one of the workflows."""
    return workflows.loaded(workflows.TEXTS[name])


def _jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in WORKFLOWS:
        for job, content in loaded(name)["jobs"].items():
            yield name, job, content


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_auditor_finds_nothing() -> None:
    zizmor = str(Path(sys.executable).with_name("zizmor"))
    done = _run(zizmor, "--offline", "--no-progress", "--persona=auditor", "--no-config", str(FOLDER))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [str(path) for path in WORKFLOWS.values()]),
        ("vendor.dependabot", [str(FOLDER / "dependabot.yml")]),
    ],
)
def test_the_files_follow_github_s_schemas(schema: str, files: list[str]) -> None:
    done = _run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_by_commit_with_its_version() -> None:
    used = [
        line.strip().removeprefix("- ")
        for path in WORKFLOWS.values()
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(used) > 8
    assert [line for line in used if not PINNED.match(line) and not LOCAL.match(line)] == []


def test_every_job_is_confined() -> None:
    for name, job, content in _jobs():
        assert content["permissions"], (name, job)
        assert "write-all" not in str(content["permissions"]), (name, job)
        assert "timeout-minutes" in content or "uses" in content, (name, job)
        lent = content["permissions"].get("id-token") == "write"
        assert lent == ((name, job) in WITH_CREDENTIALS), (name, job)
        assert lent == ("environment" in content), (name, job)
    for name in WORKFLOWS:
        workflow = loaded(name)
        assert workflow["permissions"] == {}, name
        assert workflow["concurrency"]["group"], name


def test_a_pull_request_gets_no_secret() -> None:
    for name, path in WORKFLOWS.items():
        assert "pull_request_target" not in path.read_text(), name
        assert "secrets." not in path.read_text(), name
        assert ("pull_request" in loaded(name)["on"]) == (name == "check.yml")


def test_deploying_and_destroying_never_overlap() -> None:
    groups = {name: loaded(name)["concurrency"] for name in ("deploy.yml", "destroy.yml")}
    assert all(group["group"].startswith("deployment-${{ inputs.environment") for group in groups.values())
    assert all(group["cancel-in-progress"] == "false" for group in groups.values())


def test_the_environments_to_choose_are_those_of_the_settings() -> None:
    for name in ("deploy.yml", "destroy.yml"):
        options = loaded(name)["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]
        assert options == environments(), f"{name} offers others than environments/ describes: docs/ci.md"


@pytest.mark.parametrize(
    ("typed", "status"),
    [("destroy dev", 0), ("destroy prod", 1), ("", 1), ("destroy dev; true", 1), ('"', 1)],
)
def test_nothing_is_destroyed_unless_it_was_typed(typed: str, status: int) -> None:
    (first, *_) = loaded("destroy.yml")["jobs"]["destroy"]["steps"]
    done = _run("bash", "-e", "-c", first["run"], CONFIRMATION=typed, ENV="dev")
    assert done.returncode == status


def test_a_failed_check_fails_its_step_and_is_still_shown(tmp_path: Path) -> None:
    steps = loaded("check.yml")["jobs"]["static"]["steps"]
    (step,) = [each for each in steps if "checks" in each.get("run", "")]
    (tmp_path / "build").mkdir()
    fake = tmp_path / "make"
    fake.write_text("#!/bin/sh\necho a finding\nexit 2\n")
    fake.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    done = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 2
    assert "a finding" in (tmp_path / "summary").read_text()


def test_the_smoke_test_s_picture_is_an_image(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "a folder" / "smoke.png"
    assert _run(sys.executable, "tools/picture.py", str(path)).returncode == 0
    with image.open(path) as picture:
        picture.load()
        assert (picture.size, picture.mode) == ((64, 64), "RGB")


def test_the_smoke_test_asks_what_the_settings_deploy_and_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dev.toml").write_text(
        'name = "acme"\nclassifiers = ["one", "two"]\n[classifier.one.training]\nat_deploy = true\n'
        "[classifier.two.training]\nat_deploy = false\n[classifier.three.training]\nat_deploy = true\n"
    )
    monkeypatch.setattr(deployed, "ENVIRONMENTS", tmp_path)
    assert deployed.main("dev") == 0
    printed = capsys.readouterr()
    assert printed.out == "acme one\n"
    assert printed.err.startswith("two is not asked: at_deploy is false")
    assert deployed.main("prod") == 1
    assert capsys.readouterr().err == "error: There is no environment 'prod': give one of dev.\n"


def test_differences_are_told_without_an_account(tmp_path: Path) -> None:
    head = assembled("dev").folder
    same = head / "scones-dev-data.template.json"
    (tmp_path / same.name).write_text(same.read_text())
    (tmp_path / "scones-dev-old.template.json").write_text('{"Resources": {}}')
    done = _run(
        *(sys.executable, "tools/diff.py", str(head), str(tmp_path)),
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ACCESS_KEY_ID="",
        AWS_PROFILE="",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(re.findall(r"^### (\S+?):?(?: |\n)(.*?)(?=^### |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    assert "There were no differences" in told["scones-dev-data"]
    assert "removed" in told["scones-dev-old"]
    assert "[+] AWS::StepFunctions::StateMachine" in told["scones-dev-vehicles-classification"]


def test_every_test_runs_somewhere_with_the_history_that_an_upgrade_begins_in() -> None:
    jobs = [content for _, _, content in _jobs() if "make test-full" in str(content.get("steps"))]
    assert jobs
    for content in jobs:
        (checkout,) = [each for each in content["steps"] if "actions/checkout" in each.get("uses", "")]
        assert checkout["with"]["fetch-depth"] == "0"


def test_differences_of_what_is_not_there_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "tools/diff.py", str(tmp_path / "none"), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "run `make synth`" in done.stderr
