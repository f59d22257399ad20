"""An alarm's arithmetic: periods, data points, statistics, and thresholds that are of the metric's unit.

After https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.watching import METRICS

MINUTE, HOUR, DAY = 60, 3_600, 86_400
SHORT = (10, 20, 30)
"""Periods under a minute."""
WEEK = 7 * DAY
"""What an alarm looks back at most where a period is an hour or longer; a day otherwise."""
_PERCENTILE = re.compile(r"p(100(\.0+)?|\d{1,2}(\.\d{1,10})?)")
_RANGE = re.compile(r"(?:IQM|TM|WM|PR|TC|TS)\(?.*\)?|(?:tm|wm|tc|ts)\d{1,2}(\.\d+)?")
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""
PLAUSIBLE = {
    "Microseconds": (
        10_000,
        60_000_000,
        "a hundredth of a second to a minute, which is all that an answer may take",
    ),
    "Percent": (1, 100 * 192, "of one processor's 100 to those of the largest instance"),
}
"""Thresholds that a metric of a unit can have; one of another unit is outside: milliseconds, or a share of one."""
_MILLISECONDS = re.compile(r"\b(\d+) ms\b")


def faults(properties: Mapping[str, Any]) -> Iterator[str]:
    """Say what CloudWatch refuses in an alarm on one metric, and what never rings or always does."""
    periods, period = properties.get("EvaluationPeriods"), properties.get("Period", MINUTE)
    points = properties.get("DatapointsToAlarm")
    if isinstance(points, int) and isinstance(periods, int) and not 1 <= points <= periods:
        yield f"DatapointsToAlarm is {points}, and there are {periods} EvaluationPeriods"
    if isinstance(period, int) and isinstance(periods, int):
        most = WEEK if period >= HOUR else DAY
        if (period % MINUTE or period < MINUTE) and period not in SHORT:
            yield f"Period is {period}: it must be a multiple of {MINUTE}, or one of {', '.join(map(str, SHORT))}"
        if period * periods > most:
            yield f"it looks back {period * periods} s, and CloudWatch {most} s at most"
    yield from _of_statistics(properties)
    yield from _of_threshold(properties)


def _of_statistics(properties: Mapping[str, Any]) -> Iterator[str]:
    given = [each for each in ("Statistic", "ExtendedStatistic", "Metrics") if each in properties]
    if len(given) != 1:
        yield f"it needs one of Statistic and ExtendedStatistic, and has {' and '.join(given) or 'neither'}"
    extended = str(properties.get("ExtendedStatistic", "p99"))
    if not _PERCENTILE.fullmatch(extended) and not _RANGE.fullmatch(extended):
        yield f"there is no ExtendedStatistic {extended}"


def _of_threshold(properties: Mapping[str, Any]) -> Iterator[str]:
    metric = METRICS.get((str(properties.get("Namespace")), str(properties.get("MetricName"))))
    threshold = properties.get("Threshold")
    if metric is None or not isinstance(threshold, int | float):
        return
    least, most, why = PLAUSIBLE.get(metric.unit, (threshold, threshold, ""))
    if not least <= threshold <= most:
        yield f"{properties['MetricName']} is in {metric.unit}, and {threshold} is not in {least}…{most}: {why}"
    told = _MILLISECONDS.findall(str(properties.get("AlarmDescription", "")))
    if metric.unit == "Microseconds" and told and int(told[0]) * 1_000 != threshold:
        yield f"it says {told[0]} ms, and its threshold is {threshold} µs"
