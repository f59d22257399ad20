"""Analyses that are begun and not waited for, and what those that ended have counted."""

from __future__ import annotations

from tests.integration.workflow.conftest import Deployment
from tests.integration.workflow.traffic import state


def start(cloud: Deployment, case: str = "") -> str:
    """Start an analysis and return its execution."""
    machine = cloud.outputs["AnalysisStateMachineArn"] + (f"#{case}" if case else "")
    arn: str = cloud.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    return arn


def counted(cloud: Deployment) -> tuple[int, int]:
    """Return how many pictures the analysis has counted in windows, closed and open, and how many decisions."""
    found = state(cloud)
    return (
        sum(each["images"] for each in found["history"])
        + sum(len(each["records"]) for each in found["opened"]),
        sum(each["sure"] + each["unsure"] for each in found["tallies"].values()),
    )
