from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scones import training
from scones.training import follow, start
from scones.workflow import Follower, LogLine, Step, explain, run_of
from tests.unit.scones.fakes import FakeCloud

ARN = "arn:execution"


def entered(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}


def exited(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "type": "TaskStateExited", "stateExitedEventDetails": {"name": name}}


def ended(status: str, **more: Any) -> dict[str, Any]:
    began = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    return {"status": status, "startDate": began, "stopDate": began.replace(minute=3), **more}


def test_only_what_is_new_is_told_when_asked_again() -> None:
    stream = f"scones-dev-vehicles-train-{run_of(ARN)}-0/algo-1"
    cloud = FakeCloud(
        history=[{"id": 1, "type": "ExecutionStarted"}, entered(2, "Stage")],
        streams={("/aws/sagemaker/TrainingJobs", stream): ["epoch=1"]},
    )
    follower = Follower(cloud.target().clients, "scones-dev-vehicles", ARN)
    assert follower.news() == [Step("Stage", ended=False), LogLine("train", "epoch=1")]
    assert follower.news() == []
    cloud.history += [{"id": 3}, {"id": 4}, {"id": 5}, exited(6, "Stage"), entered(7, "Train")]
    cloud.streams["/aws/sagemaker/TrainingJobs", stream].append("epoch=2")
    assert follower.news() == [
        Step("Stage", ended=True),
        Step("Train", ended=False),
        LogLine("train", "epoch=2"),
    ]


def test_other_runs_jobs_are_silent_when_one_run_is_followed() -> None:
    cloud = FakeCloud(
        streams={("/aws/sagemaker/TrainingJobs", "scones-dev-vehicles-train-other-0/x"): ["no"]}
    )
    assert Follower(cloud.target().clients, "scones-dev-vehicles", ARN).news() == []


@pytest.mark.parametrize(
    ("described", "status", "reason"),
    [
        (ended("SUCCEEDED", output='{"status": "promoted", "reason": ""}'), "promoted", ""),
        (ended("SUCCEEDED", output='{"status": "rejected", "reason": "0.5 < 0.9"}'), "rejected", "0.5 < 0.9"),
        (
            ended("FAILED", error="States.TaskFailed", cause='{"FailureReason": "Out of memory."}'),
            "failed",
            "Out of memory.",
        ),
        (ended("SUCCEEDED", output="{}"), "failed", "The workflow ended without an outcome."),
        (ended("TIMED_OUT"), "failed", "TIMED_OUT"),
        (ended("ABORTED"), "failed", "ABORTED"),
    ],
)
def test_the_end_is_read_when_the_execution_has_ended(
    described: dict[str, Any], status: str, reason: str
) -> None:
    end = Follower(FakeCloud(executions=described).target().clients, "p", ARN).end()
    assert end is not None
    assert (end.status, end.reason, end.seconds) == (status, reason, 180.0)


def test_there_is_no_end_when_the_execution_runs() -> None:
    assert Follower(FakeCloud(executions={"status": "RUNNING"}).target().clients, "p", ARN).end() is None


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("Plain words.", "Plain words."),
        ("", "Some.Error"),
        ('{"ExitMessage": "No pictures."}', "No pictures."),
        (json.dumps({"errorMessage": "A Lambda failed.", "errorType": "E"}), "A Lambda failed."),
        (json.dumps({"Cause": json.dumps({"FailureReason": "Deep."})}), "Deep."),
        ('{"SecondaryStatus": "Failed", "FailureReason": "No."}', "No."),
        (
            '{"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}',
            "A training job ran for as long as it may: raise `max_runtime_minutes` of the classifier's `training`, "
            "or take fewer epochs, folds or pictures.",
        ),
        ('{"unknown": 1}', 'Some.Error: {"unknown": 1}'),
    ],
)
def test_the_jobs_own_reason_is_found_when_the_cause_holds_it(cause: str, reason: str) -> None:
    assert explain("Some.Error", cause) == reason


def test_steps_and_end_are_told_when_a_training_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "POLL_SECONDS", 0.0)
    cloud = FakeCloud(
        executions=ended("SUCCEEDED", output='{"status": "promoted"}'),
        history=[entered(1, "Stage"), exited(2, "Stage")],
    )
    said: list[str] = []
    assert follow(cloud.target(), start(cloud.target(), {"reason": "hand"}), said.append).status == "promoted"
    assert said == ["step Stage", "done Stage"]
