from __future__ import annotations

import io
import json
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from localcloud.errors import CdkError, NotRunningError
from localcloud.instance import Instance
from scones.demo import watch as watches
from scones.demo.results import fetch
from scones.demo.session import Session, free_directory
from scones.demo.voice import Voice
from scones.demo.watch import TrainingWatch
from scones.errors import DataError, RejectedError, SconesError, TrainingError
from tests.unit.scones.fakes import FakeCloud

EVALUATION = "s3://models/vehicles/runs/abc/evaluation/evaluation.json"


class FakeStore(FakeCloud):
    """The fake cloud with readable objects, and a stack whose workflow has run."""

    class exceptions(FakeCloud.exceptions):  # noqa: N801  # named as botocore's
        NoSuchKey = KeyError

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[f"{request['Bucket']}/{request['Key']}"])}

    def get_paginator(self, operation: str) -> FakeStore:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        wanted = f"{request['Bucket']}/{request['Prefix']}"
        keys = [key.partition("/")[2] for key in self.objects if key.startswith(wanted)]
        return [{"Contents": [{"Key": key} for key in keys]}]

    def download_file(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[f"{bucket}/{key}"])

    def describe_stack_resources(self, **_: Any) -> dict[str, Any]:
        kind = "AWS::StepFunctions::StateMachine"
        return {
            "StackResources": [
                {
                    "ResourceType": kind,
                    "LogicalResourceId": "XwaiterstatemachineY",
                    "PhysicalResourceId": "wait",
                },
                {"ResourceType": kind, "LogicalResourceId": "Workflow", "PhysicalResourceId": "work"},
            ]
        }

    def list_executions(self, **request: Any) -> dict[str, Any]:
        assert request["stateMachineArn"] == "work"
        now = datetime.now(UTC)
        return {
            "executions": [
                {"executionArn": "old", "startDate": now - timedelta(hours=1)},
                {"executionArn": "new", "startDate": now},
            ]
        }


def model_archive() -> bytes:
    buffer, content = io.BytesIO(), b'{"epochs": [{"epoch": 1}]}'
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("./metrics.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore(
        objects={
            "datasets/vehicles/v1/test/bicycle/a b.png": b"1",
            "datasets/vehicles/v1/test/motorcycle/c.png": b"2",
            "datasets/vehicles/v1/train/bicycle/no.png": b"3",
            "datasets/vehicles/runs/abc/summary.json": b'{"drawings": true}',
            "models/x/model.tar.gz": model_archive(),
            EVALUATION.removeprefix("s3://"): b'{"accuracy": 0.5}',
            "models/vehicles/runs/abc/evaluation/report.html": b"<html>",
            "models/vehicles/runs/abc/evaluation/model_card.md": b"# Model card",
        }
    )
    store.items["champion"] = {
        "run": {"S": "abc"},
        "dataset_version": {"S": "v1"},
        "training_artifact": {"S": "s3://models/x/model.tar.gz"},
    }
    return store


def test_the_test_split_and_the_metrics_are_fetched_when_there_is_a_champion(
    store: FakeStore, tmp_path: Path
) -> None:
    model = fetch(store.target(), tmp_path)
    assert [(each.path, each.expected) for each in model.held] == [
        (tmp_path / "bicycle" / "a b.png", "bicycle"),
        (tmp_path / "motorcycle" / "c.png", "motorcycle"),
    ]
    assert model.summary == {"drawings": True}
    assert model.metrics == {"epochs": [{"epoch": 1}]}


def test_it_says_so_when_there_is_no_champion_or_no_test_split(store: FakeStore, tmp_path: Path) -> None:
    store.objects = {key: value for key, value in store.objects.items() if "/test/" not in key}
    with pytest.raises(DataError, match="no test split"):
        fetch(store.target(), tmp_path)
    store.items.clear()
    with pytest.raises(DataError, match="no champion"):
        fetch(store.target(), tmp_path)


def watched(store: FakeStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainingWatch, str]:
    monkeypatch.setattr(watches, "POLL_SECONDS", 0.01)
    said = io.StringIO()
    with TrainingWatch(store.target(), Voice(Console(file=said, width=200)), folder) as watch:
        deadline = time.monotonic() + 5
        while watch.end is None and time.monotonic() < deadline:
            time.sleep(0.01)
    return watch, said.getvalue()


def ended(status: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"status": status, "startDate": now, "stopDate": now, **more}


def test_the_evaluation_is_kept_when_the_model_is_rejected(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = {"status": "rejected", "reason": "0.5 is below 0.9.", "evaluation_uri": EVALUATION}
    store.executions = ended("SUCCEEDED", output=json.dumps(output))
    watch, said = watched(store, tmp_path, monkeypatch)
    assert watch.execution == "new"
    assert json.loads((tmp_path / "evaluation.json").read_text()) == {"accuracy": 0.5}
    assert (tmp_path / "evaluation.html").read_text() == "<html>"
    assert (tmp_path / "model_card.md").read_text() == "# Model card"
    assert "training workflow: rejected" in said
    why = a_session(tmp_path)._why(watch, CdkError("CloudFormation's words"))
    assert isinstance(why, RejectedError)
    assert "0.5 is below 0.9." in str(why)
    assert "evaluation.json" in str(why)


def test_the_jobs_reason_is_told_when_the_training_fails(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.executions = ended("FAILED", error="E", cause='{"FailureReason": "Out of memory."}')
    watch, _ = watched(store, tmp_path, monkeypatch)
    why = a_session(tmp_path)._why(watch, CdkError("CloudFormation's words"))
    assert isinstance(why, TrainingError)
    assert str(why) == "The training failed: Out of memory."


def a_session(folder: Path) -> Session:
    instance = Instance(folder / "instance", "none", 0, 1, folder / "work")
    return Session(instance, "vehicles", folder, Voice(Console(file=io.StringIO())))


def test_the_tools_reason_is_told_when_the_training_never_began(tmp_path: Path) -> None:
    error = CdkError("No such environment.")
    watch = TrainingWatch(FakeCloud().target(), Voice(), tmp_path)
    assert a_session(tmp_path)._why(watch, error) is error


def test_another_folder_is_taken_when_the_first_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(directory: Path) -> None:
        if directory.name != "free":
            return
        raise NotRunningError

    monkeypatch.setattr(Instance, "load", load)
    assert free_directory(tmp_path, ("used", "free")) == tmp_path / "free"
    with pytest.raises(SconesError, match="used is in use"):
        free_directory(tmp_path, ("used",))
