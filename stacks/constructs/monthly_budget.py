"""What a classifier may cost in a month: people are told when it has, and when it will have."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from constructs import Construct

from stacks.regions import WITHOUT_BUDGETS

MOST = 10
"""Conditions that CloudFormation takes in one `Fn::Or`."""


class MonthlyBudget(Construct):
    """A budget over what bears the classifier's tag: its jobs and its endpoint, which cost nearly all.

    AWS counts a tag only after it is activated for cost allocation, once per account:
    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        dollars: int,
        tags: Sequence[tuple[str, str]],
        emails: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        subscribers = [
            budgets.CfnBudget.SubscriberProperty(address=address, subscription_type="EMAIL")
            for address in emails
        ]
        here = cdk.CfnCondition(
            self, "BudgetsAreHere", expression=cdk.Fn.condition_not(_region_in(WITHOUT_BUDGETS))
        )
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{key}${value}" for key, value in tags]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=100,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=subscribers,
                )
                for kind in ("ACTUAL", "FORECASTED")
            ]
            if subscribers
            else None,
        )
        budget.cfn_options.condition = here


def _region_in(regions: Sequence[str]) -> cdk.ICfnConditionExpression:
    parts = [cdk.Fn.condition_equals(cdk.Aws.REGION, each) for each in regions]
    while len(parts) > 1:
        groups = [parts[start : start + MOST] for start in range(0, len(parts), MOST)]
        parts = [cdk.Fn.condition_or(*group) if len(group) > 1 else group[0] for group in groups]
    return parts[0]
