from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scones import cli, commands, target
from scones.errors import TargetError
from scones.workflow import End
from tests.unit.scones.fakes import FakeCloud, record

run = CliRunner()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr(target, "choose", lambda **_: fake.target())
    return fake


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.png"
    path.write_bytes(b"picture")
    return path


def test_one_row_is_printed_per_image_when_classified(cloud: FakeCloud, image: Path) -> None:
    cloud.decide = lambda name: record(
        "routed", class_="bicycle", confidence=0.98, route="near", milliseconds=9
    )
    result = run.invoke(cli.app, ["classify", str(image)])
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\t")[1:] == ["routed", "bicycle", "0.9800", "near", "9", "\n"]
    assert "a picture.png" in result.stdout


def test_json_alone_is_on_stdout_when_asked_for(cloud: FakeCloud, image: Path) -> None:
    cloud.decide = lambda name: record("rejected", reason="It is not an image.")
    result = run.invoke(cli.app, ["classify", "--json", str(image)])
    (row,) = json.loads(result.stdout)
    assert row["outcome"] == "rejected"
    assert row["reason"] == "It is not an image."


def test_it_exits_1_when_an_image_gets_no_outcome(cloud: FakeCloud, image: Path) -> None:
    result = run.invoke(cli.app, ["classify", "--patience", "1", str(image)])
    assert result.exit_code == 1
    assert "1 of 1 images got no outcome" in result.stderr


def test_an_error_is_one_sentence_when_nothing_is_deployed(cloud: FakeCloud, image: Path) -> None:
    cloud.stacks = {}
    result = run.invoke(cli.app, ["classify", str(image)])
    assert result.exit_code == 1
    assert "error: There is no stack scones-dev-data" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (End("promoted", "", {}, 1.0), 0, "promoted"),
        (End("unchanged", "", {}, 1.0), 0, "unchanged"),
        (End("rejected", "0.5 is below 0.9.", {}, 1.0), 3, "rejected: 0.5 is below 0.9."),
        (End("failed", "Out of memory.", {}, 1.0), 1, "The training workflow failed: Out of memory."),
    ],
)
def test_the_exit_status_tells_the_end_when_training(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, end: End, code: int, said: str
) -> None:
    monkeypatch.setattr("scones.training.follow", lambda *_: end)
    result = run.invoke(cli.app, ["train"])
    assert result.exit_code == code
    assert said in result.output


def test_it_exits_130_when_interrupted(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> End:
        raise KeyboardInterrupt

    monkeypatch.setattr("scones.training.follow", interrupted)
    result = run.invoke(cli.app, ["train"])
    assert result.exit_code == commands.INTERRUPTED
    assert "the workflow goes on" in result.output


def test_the_state_is_shown_when_all_or_nothing_is_deployed(cloud: FakeCloud) -> None:
    cloud.endpoint = {"EndpointStatus": "InService"}
    cloud.items["champion"] = {"run": {"S": "abc"}, "accuracy": {"N": "0.97"}}
    state = json.loads(run.invoke(cli.app, ["status", "--json"]).stdout)
    assert state["endpoint"]["status"] == "InService"
    assert state["champion"] == {"run": "abc", "accuracy": "0.97"}
    assert state["queues"]["review"] == {"waiting": 2, "in work": 1}
    assert "shadow" not in run.invoke(cli.app, ["status"]).output
    cloud.endpoint |= {
        "EndpointConfigName": "config",
        "ShadowProductionVariants": [{"VariantName": "Shadow"}],
    }
    assert "challenger  answers nobody" in run.invoke(cli.app, ["status"]).output
    cloud.endpoint["FailureReason"] = (
        "No kernel [cuda] for models/[/x]/model.tar.gz."  # which rich reads as its own
    )
    said = " ".join(run.invoke(cli.app, ["status"]).output.split())
    assert "No kernel [cuda] for models/[/x]/model.tar.gz." in said
    del cloud.endpoint["FailureReason"]
    cloud.source = "Disabled"  # a pause that was interrupted, or was ended and settled
    said = " ".join(run.invoke(cli.app, ["status"]).output.split())
    assert "InService images wait in the queue, and nothing takes them to it" in said
    assert "one was interrupted: `scones resume` finishes it" in said
    cloud.endpoint, cloud.items["paused"] = None, {"paused_at": {"S": "2026-11-20T08:00:00Z"}}
    assert "paused since 2026-11-20T08:00:00Z: `scones resume`" in run.invoke(cli.app, ["status"]).output
    cloud.stacks = {}
    shown = run.invoke(cli.app, ["status"])
    assert shown.exit_code == 0
    assert "not deployed" in shown.output


def test_aws_is_chosen_when_a_profile_is_set_or_no_local_cloud_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(target, "LOCAL", tmp_path)
    named: dict[str, Any] = {"name": "scones", "env": "dev", "classifier": "vehicles"}
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert target.choose(**named, local=None, instance=None).where == "AWS"
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert target.choose(**named, local=None, instance=None).where == "AWS"
    with pytest.raises(TargetError, match="exclude each other"):
        target.choose(**named, local=False, instance="x")
    with pytest.raises(TargetError, match="one plain word"):
        target.choose(**named, local=None, instance="../x")


def test_help_answers_at_once_because_nothing_heavy_is_imported() -> None:
    heavy = ["boto3", "botocore", "jinja2", "PIL", "psutil", "torch"]
    code = f"import sys, scones.cli; print([m for m in {heavy} if m in sys.modules])"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - began < 5


def test_the_region_that_cdk_reads_is_the_command_line_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert target._aws_client("sqs").meta.region_name == "eu-west-3"


def test_aws_needs_nothing_that_the_command_line_alone_does_not_install() -> None:
    absent = ["ministack", "numpy", "PIL", "psutil", "ray", "torch"]
    code = f"""
import sys
sys.modules |= dict.fromkeys({absent})
import scones.answers, scones.classification, scones.doctor.examine, scones.errors, scones.files, scones.overview
import scones.reviewer, scones.target
from scones.preview import preview
scones.errors.sentence(ValueError())
assert preview(b"") is None
print(scones.target.choose(name="a", env="dev", classifier="b", local=False, instance=None).where)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "AWS", done.stderr
