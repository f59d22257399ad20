"""What watches a classifier: alarms that say what they mean, a dashboard, a schedule, a budget."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ROOT, Synthesized, synthesize

OFF = """
[classifier.vehicles.monitoring]
quiet_hours = 0
retrain = false
retrain_every_days = 0
monthly_budget = 0
"""
ON = """
alarm_emails = ["on-call@example.com"]
[classifier.vehicles.monitoring]
every_hours = 6
window_images = 123
minimum_images = 45
window_hours = 67
quiet_hours = 8
cooldown_hours = 9
enough_reviews = 89
retrain_every_days = 10
monthly_budget = 1112
"""


def _of(synthesized: Synthesized, kind: str) -> dict[str, dict[str, Any]]:
    resources = synthesized.templates["monitoring"]["Resources"]
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


@pytest.fixture
def off(tmp_path: Path) -> Synthesized:
    """`prod` with everything optional switched off."""
    path = tmp_path / "overlay.toml"
    path.write_text(OFF)
    return synthesize("prod", path)


@pytest.fixture
def on(tmp_path: Path) -> Synthesized:
    """`dev` with every setting of its own."""
    path = tmp_path / "overlay.toml"
    path.write_text(ON)
    return synthesize("dev", path)


SAID = re.compile(r"(?P<meaning>.+\.) What to do: (?P<remedy>.+\.) docs/runbook\.md#(?P<section>[a-z]+)")
IMPERATIVES = {"add", "answer", "ask", "go", "look", "lower", "mend", "read", "see"}


def test_every_alarm_says_what_it_means_and_what_to_do_and_the_runbook_goes_on(
    synthesized: Synthesized,
) -> None:
    headings = re.findall(
        r"^### (\w+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    guards = {
        name: each["Properties"]
        for name, each in synthesized.templates["training"]["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    alarms = {**guards, **_of(synthesized, "AWS::CloudWatch::Alarm")}
    alarms |= _of(synthesized, "AWS::CloudWatch::CompositeAlarm")
    assert len(guards) == 2
    named = set()
    for alarm in alarms.values():
        said = SAID.fullmatch(alarm["AlarmDescription"])
        assert said, alarm["AlarmDescription"]
        assert len(said["meaning"]) > 30, said
        assert said["remedy"].partition(" ")[0] in IMPERATIVES, said
        assert len(said["remedy"]) > 12, said
        named.add(said["section"])
    assert named <= {each.lower() for each in headings}
    assert len(named) == len(alarms)


def test_all_alarms_tell_people_and_the_composite_one_rings_for_each(synthesized: Synthesized) -> None:
    alarms = _of(synthesized, "AWS::CloudWatch::Alarm")
    (composite,) = _of(synthesized, "AWS::CloudWatch::CompositeAlarm").values()
    topics = {json.dumps(each["AlarmActions"]) for each in [*alarms.values(), composite]}
    assert len(topics) == 1
    rule = json.dumps(composite["AlarmRule"])
    assert set(re.findall(r'"Fn::GetAtt": \["(\w+)", "Arn"\]', rule)) == set(alarms)
    # Those that guard a rollout are the training stack's.
    assert len(set(re.findall(r'"Fn::ImportValue": "[\w:-]*(GuardAlarms\w+Arn\w*)"', rule))) == 2


def test_an_analysis_that_no_longer_runs_is_told_and_one_that_has_not_run_yet_is_not(
    synthesized: Synthesized, on: Synthesized
) -> None:
    for cloud, hours in ((synthesized, 1), (on, 6)):
        alarms = _of(cloud, "AWS::CloudWatch::Alarm").values()
        (absent,) = [each for each in alarms if "InsufficientDataActions" in each]
        assert (absent["MetricName"], absent["Statistic"]) == ("NewReviews", "SampleCount")
        assert absent["InsufficientDataActions"] == absent["AlarmActions"]
        # A new alarm begins without data: treated as breaching it would ring at once.
        assert (absent["TreatMissingData"], absent["ComparisonOperator"], absent["Threshold"]) == (
            *("missing", "LessThanThreshold"),
            1,
        )
        assert (absent["Period"], absent["EvaluationPeriods"]) == (hours * 3600, 3)


def test_transitions_are_watched_where_they_have_a_quota(synthesized: Synthesized) -> None:
    classification = synthesized.templates["classification"]["Resources"].values()
    kinds = {
        each["Properties"].get("StateMachineType") for each in classification if "Machine" in each["Type"]
    }
    assert kinds == {"EXPRESS"}  # they have none
    throttled = [
        json.dumps(each["Dimensions"])
        for each in _of(synthesized, "AWS::CloudWatch::Alarm").values()
        if each["MetricName"] == "ExecutionThrottled"
    ]
    assert len(throttled) == 2
    assert not any("-classification:" in each for each in throttled)


def test_a_gpu_is_watched_where_there_is_one(synthesized: Synthesized) -> None:
    metrics = {each["MetricName"] for each in _of(synthesized, "AWS::CloudWatch::Alarm").values()}
    assert ("GPUUtilization" in metrics) is (synthesized.env == "prod")


def test_the_dashboard_shows_every_alarm_first(synthesized: Synthesized) -> None:
    (dashboard,) = _of(synthesized, "AWS::CloudWatch::Dashboard").values()
    body = "".join(
        each if isinstance(each, str) else "REF" for each in dashboard["DashboardBody"]["Fn::Join"][1]
    )
    widgets = json.loads(body)["widgets"]
    assert widgets[0]["type"] == "alarm"
    assert len(widgets[0]["properties"]["alarms"]) == len(_of(synthesized, "AWS::CloudWatch::Alarm")) + 3
    (latency,) = [each for each in widgets if each["properties"]["title"].startswith("Model latency")]
    assert {each[1] for each in latency["properties"]["metrics"]} == {"ModelLatency", "DecisionP99"}


def _schedules(synthesized: Synthesized) -> set[str]:
    rules = _of(synthesized, "AWS::Events::Rule").values()
    return {each["ScheduleExpression"] for each in rules if "ScheduleExpression" in each}


def test_a_run_that_was_ended_is_followed_by_one_that_settles(synthesized: Synthesized) -> None:
    (rule,) = [each for each in _of(synthesized, "AWS::Events::Rule").values() if "EventPattern" in each]
    assert rule["EventPattern"]["detail"]["status"] == ["ABORTED", "TIMED_OUT"]
    assert json.loads(rule["Targets"][0]["Input"]) == {"start": "settle"}


def test_what_is_optional_is_absent_when_it_is_off(off: Synthesized) -> None:
    assert _of(off, "AWS::Budgets::Budget") == {}
    assert _schedules(off) == {"rate(1 hour)"}
    assert "Invocations" not in {each["MetricName"] for each in _of(off, "AWS::CloudWatch::Alarm").values()}
    assert not {"RetrainingWanted", "StartRetraining"} & set(off.machine("monitoring")["States"])


def test_every_setting_reaches_the_templates(on: Synthesized) -> None:
    states = on.machine("monitoring")["States"]
    arguments = states["Analyse"]["Arguments"]["AppSpecification"]["ContainerArguments"]
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert (given["--window-images"], given["--minimum-images"]) == ("123", "45")
    assert (given["--window-hours"], given["--enough-reviews"]) == ("67", "89")
    assert str(9 * 3_600_000) in json.dumps(states["TakeCooldown"])
    assert _schedules(on) == {"rate(6 hours)", "rate(10 days)"}
    (quiet,) = [
        each for each in _of(on, "AWS::CloudWatch::Alarm").values() if each["MetricName"] == "Invocations"
    ]
    assert (quiet["EvaluationPeriods"], quiet["TreatMissingData"]) == (8, "breaching")
    (budget,) = _of(on, "AWS::Budgets::Budget").values()
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 1112, "Unit": "USD"}
    kinds = {each["Notification"]["NotificationType"] for each in budget["NotificationsWithSubscribers"]}
    assert kinds == {"ACTUAL", "FORECASTED"}
