"""Variants, guard alarms and budgets that AWS would refuse, or that would never do what they are for, are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stacks.checks import between, budgets, refusals
from stacks.checks.assemblies import Assembly
from tests.checks.conftest import planted

Edit = Callable[[dict[str, Any]], Any]


def _in_definition(before: str, after: str) -> Edit:
    def edit(resource: dict[str, Any]) -> None:
        text = json.dumps(resource["Properties"])
        assert before in text
        resource["Properties"] = json.loads(text.replace(before, after))

    return edit


def _with(**properties: Any) -> Edit:
    return lambda resource: resource["Properties"].update(properties)


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("WorkflowMachine", _in_definition(r'VariantName\":\"All', r'VariantName\":\"Al'), "has a variant"),
        ("WorkflowMachine", _in_definition("/variant/All", "/variant/Al"), "is no variant of an endpoint"),
        ("WorkflowMachine", _in_definition("/variant/All", "/variants/All"), "is no variant of an endpoint"),
        ("GuardAlarmsLatency", _in_definition('"AllTraffic"', '"Traffic"'), "no endpoint configuration has a variant"),
        ("GuardAlarmsLatency", _with(Period=3600, EvaluationPeriods=3), "rings after 10800 s, and the rollout bakes"),
    ],
)  # fmt: skip
def test_names_of_variants_and_slow_alarms(
    assemblies: list[Assembly], name: str, edit: Edit, said: str
) -> None:
    found = between.check([planted(assemblies, "vehicles-training", name, edit)]).findings
    assert any(said in each for each in found), found


MAILS = [{"SubscriptionType": "EMAIL", "Address": f"{number}@example.com"} for number in range(11)]
TOLD = {"ComparisonOperator": "GREATER_THAN", "NotificationType": "ACTUAL", "Threshold": 100}
SOUND = {
    "Budget": {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": 300, "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:scones:deployment$scones-dev"]},
    },
    "NotificationsWithSubscribers": [{"Notification": TOLD, "Subscribers": MAILS[:10]}],
}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", ""),
        ('"TagKeyValue"', '"TagKey"', "filters by TagKey are not known here"),
        ("user:scones:deployment$", "scones:deployment$", "and nothing is: user:<key>$<value>"),
        ("scones:deployment$", "scones:deplyment$", "and nothing is: user:<key>$<value>"),
        ('"BudgetLimit": {"Amount": 300, "Unit": "USD"}, ', "", "it has no BudgetLimit"),
        ("300", "-300", "Budget.BudgetLimit.Amount"),
        ('"COST"', '"COSTS"', "Budget.BudgetType"),
        ('"MONTHLY"', '"MONTH"', "Budget.TimeUnit"),
        ('"ACTUAL"', '"REAL"', "NotificationType"),
        (json.dumps(MAILS[:10]), "[]", "Subscribers is a list of 0"),
        (json.dumps(MAILS[:10]), json.dumps(MAILS), "11 subscribers by EMAIL, and may have 10"),
        (json.dumps(MAILS[:10]), '[{"SubscriptionType": "SNS", "Address": "a"}, {"SubscriptionType": "SNS", '
         '"Address": "b"}]', "2 subscribers by SNS, and may have 1"),
    ],
)  # fmt: skip
def test_budgets_that_aws_refuses_or_that_count_nothing(before: str, after: str, said: str) -> None:
    text = json.dumps(SOUND)
    assert before in text
    found = [*budgets.faults(json.loads(text.replace(before, after)), {("scones:deployment", "scones-dev")})]
    assert any(said in each for each in found) if said else found == []


def test_a_notification_is_there_once() -> None:
    twice = {**SOUND, "NotificationsWithSubscribers": SOUND["NotificationsWithSubscribers"] * 2}  # type: ignore[operator]
    (said,) = budgets.faults(twice, {("scones:deployment", "scones-dev")})
    assert said.endswith("is there 2 times")


@pytest.mark.parametrize(
    "expression", ["timestamp}", "timestamp:bb}", "timestamp:yyyy", "firehose:random}", "time:yy}"]
)
def test_expressions_that_firehose_does_not_know(assemblies: list[Assembly], expression: str) -> None:
    def edit(resource: dict[str, Any]) -> None:
        resource["Properties"]["ExtendedS3DestinationConfiguration"]["Prefix"] = f"a/!{{{expression}/"

    found = refusals.check(
        [planted(assemblies, "vehicles-classification", "PredictionLogStream", edit)]
    ).findings
    assert any("there is no expression !{" in each for each in found), found
