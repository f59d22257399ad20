"""How long the alarms that guard a rollout need to ring: a shorter bake promotes what they would have undone."""

from __future__ import annotations

PERIOD_MINUTES = 1
PERIODS = 2
"""In a row that an alarm must see beyond its threshold."""
ARRIVAL_MINUTES = 1
"""From a request to its metric, which SageMaker publishes every minute:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html"""
LEAST_BAKE_MINUTES = PERIODS * PERIOD_MINUTES + ARRIVAL_MINUTES
