"""An alarm looks at its own dimensions, period by period; ministack 1.5.33 takes every metric of the name, in one lump.

An endpoint's alarm would ring for another endpoint, `EvaluationPeriods` would make alarms quicker and not slower,
and missing data would never count. Alarms are looked at when metrics come and when somebody asks for them.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def apply() -> None:
    """Evaluate alarms as CloudWatch does."""
    from ministack.services import cloudwatch  # noqa: PLC0415

    describe = cloudwatch._describe_alarms

    def describing(*arguments: Any, **named: Any) -> Any:
        cloudwatch._evaluate_all_alarms()
        return describe(*arguments, **named)

    cloudwatch._evaluate_alarm = lambda alarm: _evaluate(cloudwatch, alarm)
    cloudwatch._describe_alarms = describing


def _evaluate(cloudwatch: Any, alarm: dict[str, Any]) -> None:
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or []}
    key = (alarm.get("Namespace"), alarm.get("MetricName"), cloudwatch._dims_key(dimensions))
    points = cloudwatch._metrics.get(key, [])
    if not points:
        # Nobody has fed it yet: it stays as it was made, or as somebody has set it.
        return
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    values = [
        cloudwatch._stat_value(cloudwatch._calc_stats(each), statistic, each) if each else None
        for each in _periods(points, int(alarm["Period"]), int(alarm["EvaluationPeriods"]), time.time())
    ]
    state = verdict(values, alarm)
    old = alarm["StateValue"]
    # `ignore` keeps the state.
    if state in (None, old):
        return
    reason = f"{statistic} of the last {len(values)} periods: {values}; threshold {alarm['Threshold']}"
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _periods(
    points: Sequence[Mapping[str, Any]], period: int, number: int, now: float
) -> list[list[Mapping[str, Any]]]:
    """Return the points of the last so many periods, the oldest first; the running one ends now."""
    found: list[list[Mapping[str, Any]]] = [[] for _ in range(number)]
    for point in points:
        back = int((now - float(point["Timestamp"])) // period)
        if 0 <= back < number:
            found[number - 1 - back].append(point)
    return found


def verdict(values: Sequence[float | None], alarm: Mapping[str, Any]) -> str | None:
    """Return the state that an alarm's periods call for, or nothing where it keeps the one that it has."""
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    missing = alarm.get("TreatMissingData") or "missing"
    if missing in ("missing", "ignore"):
        if all(value is None for value in values):
            return "INSUFFICIENT_DATA" if missing == "missing" else None
        breaching = [compare(value, alarm["Threshold"]) for value in values if value is not None]
    else:
        breaching = [
            missing == "breaching" if value is None else compare(value, alarm["Threshold"])
            for value in values
        ]
    wanted = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    return "ALARM" if sum(breaching) >= wanted else "OK"
