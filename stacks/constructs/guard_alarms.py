"""The alarms that guard a rollout: they exist before the first endpoint, and no data means no alarm."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from lambda_src.naming import VARIANT
from stacks.guarding import PERIOD_MINUTES, PERIODS

LATENCY_MILLISECONDS = 2000
RUNBOOK = "docs/runbook.md"
"""Where an alarm has its section, under its name: the end of its description."""


def description(name: str, meaning: str, remedy: str) -> str:
    """Return what an alarm says to whom it wakes: what it means, what to do, and where the runbook goes on."""
    return f"{meaning} What to do: {remedy} {RUNBOOK}#{name.lower()}"


class GuardAlarms(Construct):
    """Server errors and latency of one endpoint.

    Attributes
    ----------
    alarms
        In the order in which a rollout names them.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint_name: str, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)

        def alarm(
            name: str, metric: str, statistic: str, threshold: float, meaning: str, remedy: str
        ) -> cloudwatch.Alarm:
            made = cloudwatch.Alarm(
                self,
                name,
                metric=cloudwatch.Metric(
                    namespace="AWS/SageMaker",
                    metric_name=metric,
                    dimensions_map={"EndpointName": endpoint_name, "VariantName": VARIANT},
                    statistic=statistic,
                    period=cdk.Duration.minutes(PERIOD_MINUTES),
                ),
                threshold=threshold,
                evaluation_periods=PERIODS,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description=description(name, meaning, remedy),
            )
            made.add_alarm_action(actions.SnsAction(topic))
            return made

        self.alarms = (
            alarm(
                "ServerErrors",
                "Invocation5XXErrors",
                "Sum",
                5,
                f"The endpoint {endpoint_name} fails to answer. A rollout in progress is rolled back by itself.",
                "read the endpoint's log; where its last model is at fault, go back with `scones rollback`.",
            ),
            alarm(
                "Latency",
                "ModelLatency",
                "p99",
                LATENCY_MILLISECONDS * 1000,
                f"The slowest answers of {endpoint_name} take over {LATENCY_MILLISECONDS} ms. A rollout in progress is "
                "rolled back by itself.",
                "see whether Processor or Gpu rings, and add instances; otherwise read the endpoint's log.",
            ),
        )
