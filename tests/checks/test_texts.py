"""Texts that only their service parses are parsed before."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.checks import texts
from stacks.checks.assemblies import Assembly
from tests.checks.conftest import planted


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("rate(1 hour)", ""),
        ("rate(30 days)", ""),
        ("cron(0 12 * * ? *)", ""),
        ("cron(0/15 8-17 ? * MON-FRI *)", ""),
        ("cron(30 8 L JAN,jul ? 2026-2030)", ""),
        ("cron(0 8 ? * 6#3 *)", ""),
        ("rate(1 hours)", "must be of 1 hour"),
        ("rate(0 minutes)", "must be of 1 minute"),
        ("rate(2 weeks)", "neither rate(number unit) nor cron(six fields)"),
        ("cron(0 12 * * ?)", "neither rate"),
        ("cron(0 25 * * ? *)", "has '25' for the hours"),
        ("cron(0 8 ? * FUN *)", "has 'FUN' for the day of the week"),
        ("cron(0/0 8 * * ? *)", "has '0/0' for the minutes"),
        ("cron(0 8 * * * *)", "must have ? for"),
        ("cron(0 8 ? * ? *)", "must have ? for"),
    ],
)
def test_schedules(said: str, wrong: str) -> None:
    found = list(texts.of_schedule(said))
    assert all(wrong in each for each in found)
    assert bool(found) is bool(wrong), found


@pytest.mark.parametrize(
    ("pattern", "right"),
    [
        ({"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "a/"}]}}}, True),
        ({"detail": {"size": [{"numeric": [">", 0]}], "state": [{"anything-but": ["a"]}, None]}}, True),
        ({"$or": [{"source": ["a"]}, {"detail": {"b": [{"exists": False}]}}]}, True),
        ({"source": "aws.s3"}, False),
        ({"source": []}, False),
        ({"detail": {"object": {"key": [{"prefixx": "a/"}]}}}, False),
        ({"$or": [{"source": [{"like": "a"}]}]}, False),
    ],
)
def test_patterns_of_events(pattern: dict[str, Any], right: bool) -> None:
    assert (not list(texts.of_pattern(pattern))) is right


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ('ALARM("a b") OR (NOT OK(c) AND INSUFFICIENT_DATA("d"))', True),
        ("ALARM((", False),
        ('ALARM("a") XOR ALARM("b")', False),
        ('ALARM("a") ALARM("b")', False),
        ("", False),
    ],
)
def test_rules_of_composite_alarms(rule: str, right: bool) -> None:
    assert (not list(texts.of_alarms(rule))) is right


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("OperationsDashboard", {"DashboardBody": "{"}, "its body is no JSON"),
        ("OperationsDashboard", {"DashboardBody": "{}"}, "its body has no widgets"),
        ("Calendar", {"ScheduleExpression": "every day"}, "neither rate"),
        ("Calendar", {"Targets": [{"Input": "{start"}]}, "a target's Input is no JSON"),
        ("Settling", {"EventPattern": {"source": ["aws.states"], "detail": {"status": ["DEAD"]}}}, "'DEAD'"),
        ("AlarmsAny", {"AlarmRule": "ALARM(("}, "is none of states of alarms"),
    ],
)
def test_a_text_that_its_service_refuses_is_found(
    assemblies: list[Assembly], name: str, change: dict[str, Any], said: str
) -> None:
    def edit(resource: dict[str, Any]) -> None:
        resource["Properties"].update(change)

    found = texts.check([planted(assemblies, "vehicles-monitoring", name, edit)]).findings
    assert any(said in each for each in found), found
