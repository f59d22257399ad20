"""Traffic moves in the steps of the policy."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.rollout import steps


def _policy(kind: str, size: tuple[str, int] | None = None, wait: int = 60, last: int = 30) -> dict[str, Any]:
    name = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind, "")
    sized = {name: {"Type": size[0], "Value": size[1]}} if size else {}
    return {
        "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sized},
        "TerminationWaitInSeconds": last,
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, [(1.0, 0.0)]),
        (_policy("ALL_AT_ONCE"), [(1.0, 60.0)]),
        (_policy("CANARY", ("INSTANCE_COUNT", 1)), [(0.25, 60.0), (1.0, 30.0)]),
        (_policy("CANARY", ("CAPACITY_PERCENT", 10)), [(0.1, 60.0), (1.0, 30.0)]),
        (_policy("LINEAR", ("INSTANCE_COUNT", 2)), [(0.5, 60.0), (1.0, 30.0)]),
        (_policy("LINEAR", ("CAPACITY_PERCENT", 40)), [(0.4, 60.0), (0.8, 60.0), (1.0, 30.0)]),
    ],
)
def test_shares_and_waits_follow_the_policy_when_four_instances_are_replaced(
    policy: dict[str, Any], expected: list[tuple[float, float]]
) -> None:
    assert [(round(share, 6), seconds) for share, seconds in steps(policy, 4)] == expected
