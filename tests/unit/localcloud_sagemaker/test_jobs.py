"""What every job shares: the mapped folder, the bare environment, a status that ends once."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from localcloud import access
from localcloud.sagemaker import jobs
from localcloud.sagemaker.errors import JobFailedError, ResourceInUseError, ValidationError
from localcloud.sagemaker.store import KINDS, Record, Store

JOB = KINDS["TrainingJob"]


@pytest.fixture
def record() -> Record:
    return Store().add(JOB, {"TrainingJobName": "vehicles-train-1"}, TrainingJobStatus="InProgress")


def test_paths_point_into_the_jobs_folder_when_they_name_the_containers(tmp_path: Path) -> None:
    assert jobs.mapped("--dir '/opt/ml/model' x", tmp_path) == f"--dir '{tmp_path}/model' x"


def test_a_container_sees_nothing_of_the_machine_when_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HOST_SECRET", "x")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("LOCALCLOUD_INSTANCE", "abc")
    seen = jobs.environment(tmp_path, {"MODEL": "/opt/ml/model"}, isolated=False)
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert (seen["MODEL"], seen["LOCALCLOUD_INSTANCE"]) == (f"{tmp_path}/model", "abc")
    assert not {"HOST_SECRET", "PYTHONPATH"} & set(seen)
    assert "AWS_ENDPOINT_URL" not in jobs.environment(tmp_path, {}, isolated=True)


def test_a_step_ends_the_one_before_when_it_begins(record: Record) -> None:
    for status in ("Downloading", "Training", "Completed"):
        jobs.step(record, status)
    transitions = record.shown["SecondaryStatusTransitions"]
    assert [each["Status"] for each in transitions] == ["Downloading", "Training", "Completed"]
    assert all("EndTime" in each for each in transitions)


def test_a_job_stays_ended_when_it_is_stopped_late(record: Record) -> None:
    record.update(TrainingJobStatus="Completed")
    jobs.stop(record)
    assert record.shown["TrainingJobStatus"] == "Completed"
    assert not record.stop.is_set()


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (JobFailedError("ClientError: no."), "Failed", "ClientError: no."),
        (ZeroDivisionError("oops"), "Failed", "InternalServerError: oops"),
        (jobs.JobStoppedError(overran=True), "Stopped", None),
        (None, "Completed", None),
    ],
)
def test_a_jobs_status_tells_its_end_when_it_ends(
    record: Record,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception | None,
    status: str,
    reason: Any,
) -> None:
    monkeypatch.setenv("LOCALCLOUD_WORK", str(tmp_path))

    def work(_: Record, folder: Path) -> None:
        assert folder.parent == tmp_path
        if fault is not None:
            raise fault

    monkeypatch.setattr(access, "acting", lambda *_: nullcontext())
    monkeypatch.setattr(access, "allowed", lambda *_, **__: True)
    jobs.start(record, work, "role").join(10)
    assert record.shown["TrainingJobStatus"] == status
    assert record.shown.get("FailureReason") == reason
    assert "TrainingEndTime" in record.shown
    assert not list(tmp_path.iterdir())


def test_a_name_is_taken_for_good_when_it_is_a_jobs() -> None:
    store = Store()
    store.add(JOB, {"TrainingJobName": "one"})
    with pytest.raises(ResourceInUseError, match="must be unique"):
        store.add(JOB, {"TrainingJobName": "one"})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("TrainingJob", "Requested resource not found."),
        ("Endpoint", "Could not find endpoint"),
        ("Model", "Could not find model"),
        ("ModelPackageGroup", "does not exist"),
    ],
)
def test_the_error_is_that_of_aws_when_nothing_has_the_name(kind: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Store().get(KINDS[kind], "absent")
