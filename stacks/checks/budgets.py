"""A budget is one that AWS makes, and its filters name what the deployment's jobs and endpoints are tagged with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.model import Model
from stacks.checks.services import service_model
from stacks.checks.values import Known

TAGS = "TagKeyValue"
SUBSCRIBERS = {"EMAIL": 10, "SNS": 1}
"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_NotificationWithSubscribers.html"""


def faults(properties: Mapping[str, Any], tags: set[tuple[str, str]]) -> Iterator[str]:
    """Say what is wrong with a budget; `tags` are those that SageMaker's things get."""
    budget, told = properties.get("Budget", {}), properties.get("NotificationsWithSubscribers", [])
    yield from _refused(budget, told)
    if budget.get("BudgetType") == "COST" and not {"BudgetLimit", "PlannedBudgetLimits"} & set(budget):
        yield "it has no BudgetLimit"
    for key, values in budget.get("CostFilters", {}).items():
        if key != TAGS:
            yield f"filters by {key} are not known here: {TAGS} is"
            continue
        for value in values:
            # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
            owner, _, tag = str(value).partition(":")
            if owner != "user" or tuple(tag.split("$", 1)) not in tags:
                yield f"it counts what is tagged {value}, and nothing is: user:<key>$<value>"
    for each in told:
        kinds = Counter(str(one.get("SubscriptionType")) for one in each.get("Subscribers", []))
        for kind, count in kinds.items():
            if count > SUBSCRIBERS.get(kind, count):
                yield f"a notification has {count} subscribers by {kind}, and may have {SUBSCRIBERS[kind]}"
    for notification, count in Counter(str(each.get("Notification")) for each in told).items():
        if count > 1:
            yield f"the notification {notification} is there {count} times"


def _refused(budget: Mapping[str, Any], told: list[Any]) -> Iterator[str]:
    """Say what the service's model refuses: words, numbers, and how many there may be."""
    model = service_model("budgets")
    if model is not None:
        limit = budget.get("BudgetLimit", {"Amount": 0, "Unit": "USD"})
        given = {
            "BudgetName": "budget",
            **budget,
            "BudgetLimit": {**limit, "Amount": str(limit.get("Amount"))},
        }
        yield from Model(Known()).wrong(given, model.shape_for("Budget"), "Budget")
        shape = model.shape_for("NotificationWithSubscribersList")
        yield from Model(Known()).wrong(told, shape, "NotificationsWithSubscribers")
