"""Who waits too short for what, or for what is long over, is found."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.checks import durations, ways
from stacks.checks.assemblies import Assembly
from tests.checks.conftest import planted

JOB = "arn:aws:states:::sagemaker:createTrainingJob.sync"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:Any"


def _job(waits: int, **stops: int) -> list[str]:
    task = {"Resource": JOB, "TimeoutSeconds": waits, "Arguments": {"StoppingCondition": stops}}
    return list(durations.of_task(task, {}))


def test_a_task_waits_longer_than_its_job_takes() -> None:
    assert _job(1900, MaxRuntimeInSeconds=900, MaxWaitTimeInSeconds=1800) == []
    assert "MaxWaitTimeInSeconds is 1800" in _job(1800, MaxRuntimeInSeconds=900, MaxWaitTimeInSeconds=1800)[0]
    assert "MaxRuntimeInSeconds is 2000" in _job(1800, MaxRuntimeInSeconds=2000)[0]


def test_a_search_is_held_to_its_own_limit_too() -> None:
    limits = {"ResourceLimits": {"MaxRuntimeInSeconds": 7200}}
    task: dict[str, Any] = {
        "Resource": "arn:aws:states:::sagemaker:createHyperParameterTuningJob.sync",
        "TimeoutSeconds": 3600,
        "Arguments": {"HyperParameterTuningJobConfig": limits},
    }
    assert "7200" in next(durations.of_task(task, {}))


@pytest.mark.parametrize(("takes", "said"), [(70, ""), (90, "takes up to 90"), (3, "cut off after 3")])
def test_a_task_and_its_function_agree(takes: int, said: str) -> None:
    found = list(durations.of_task({"Resource": FUNCTION, "TimeoutSeconds": 75}, {"Any": takes}))
    assert len(found) == bool(said)
    assert all(said in each for each in found)


def _waiting(seconds: int, after: str | None, **others: Any) -> dict[str, Any]:
    return {"TimeoutSeconds": seconds, **({"Next": after} if after else {"End": True}), **others}


def test_the_longest_way_takes_each_state_of_a_loop_once_and_the_longer_of_two() -> None:
    states = {
        "Ask": _waiting(30, "Look", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Tell"}]),
        "Look": _waiting(20, "Done"),
        "Done": {"Choices": [{"Condition": "true", "Next": "Both"}], "Default": "Wait"},
        "Wait": {"Seconds": 10, "Next": "Look"},
        "Both": {
            "Branches": [{"StartAt": "A", "States": {"A": _waiting(s, None)}} for s in (5, 9)],
            "End": True,
        },
        "Tell": _waiting(15, None),
        "Elsewhere": _waiting(1000, None),
    }
    seconds, way = ways.longest({"StartAt": "Ask", "States": states})
    assert (seconds, set(way)) == (30 + 20 + 10 + 9, {"Ask", "Look", "Wait", "Both"})


@pytest.mark.parametrize(("limit", "findings"), [(69, 1), (70, 0), (None, 0)])
def test_a_state_machine_that_ends_before_its_longest_way_is_found(limit: int | None, findings: int) -> None:
    states = {"Classify": _waiting(60, "Record"), "Record": _waiting(9, None)}
    machine = {"StartAt": "Classify", "States": states, **({"TimeoutSeconds": limit} if limit else {})}
    found = list(durations.of_machine(machine))
    assert len(found) == findings
    assert all(
        "it ends after 69 s, and Classify, Record wait for up to 69 s together" in each for each in found
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ClassifyFunction", "an endpoint may take 60 s"),
        ("InboundDispatcherFunction", "STATE_MACHINE_ARN runs"),
    ],
)
def test_a_function_that_is_cut_off_is_found(assemblies: list[Assembly], name: str, said: str) -> None:
    broken = planted(assemblies, "classification", name, lambda each: each["Properties"].update(Timeout=59))
    assert any(said in each for each in durations.check([broken]).findings)
