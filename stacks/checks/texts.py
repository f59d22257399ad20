"""Texts in a template that only their service parses: schedules, patterns of events, rules of alarms, JSON.

CloudFormation takes any text there; the service refuses it when the resource is made, or never does what it says.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import render
from stacks.checks.result import Result
from stacks.checks.services import service_model

OPERATORS = {
    *("anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"),
}
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIELDS: tuple[tuple[str, int, int, tuple[str, ...], str], ...] = (
    ("minutes", 0, 59, (), ""),
    ("hours", 0, 23, (), ""),
    ("day of the month", 1, 31, (), r"\?|L|\d{1,2}W"),
    ("month", 1, 12, MONTHS, ""),
    ("day of the week", 1, 7, DAYS, r"\?|L|[1-7]L|[1-7]#[1-5]"),
    ("year", 1970, 2199, (), ""),
)
"""Name, bounds, words for numbers from the lower bound on, and what else is taken:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.*)\)")
_ALARM = re.compile(r'(?:ALARM|OK|INSUFFICIENT_DATA)\((?:"[^"]+"|[^"()\s]+)\)')
_CONNECTIVES = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every such text of every stack."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for stack, name, resource in assembly.resources(*_LOOKS):
            count += 1
            properties = render(resource.get("Properties", {}), assembly.templates[stack], REFERENCE)
            findings += [f"{stack} {name}: {each}" for each in _LOOKS[resource["Type"]](properties)]
    return Result("texts", "schedules, patterns, rules of alarms, JSON", count, tuple(findings))


def _of_rule(properties: Mapping[str, Any]) -> Iterator[str]:
    if "ScheduleExpression" in properties:
        yield from of_schedule(str(properties["ScheduleExpression"]))
    pattern = properties.get("EventPattern")
    if isinstance(pattern, Mapping):
        yield from of_pattern(pattern)
        yield from _of_statuses(pattern)
    for target in properties.get("Targets", []):
        if "Input" in target:
            yield from _of_json(target["Input"], "a target's Input")


def of_schedule(said: str) -> Iterator[str]:
    """Say what is wrong with a rule's schedule."""
    if rate := _RATE.fullmatch(said):
        if int(rate[1]) < 1 or (int(rate[1]) == 1) is bool(rate[3]):
            yield f"{said} must be of 1 {rate[2]} or of more {rate[2]}s"
        return
    cron = _CRON.fullmatch(said)
    fields = cron[1].split() if cron else []
    if len(fields) != len(FIELDS):
        yield f"{said} is neither rate(number unit) nor cron(six fields)"
        return
    for field, (name, least, most, words, more) in zip(fields, FIELDS, strict=True):
        for part in field.split(","):
            if not re.fullmatch(more, part) and not _ranges(part, least, most, words):
                yield f"{said} has {part!r} for the {name}"
    if (fields[2] == "?") is (fields[4] == "?"):
        yield f"{said} must have ? for the day of the month or for the day of the week, and not for both"


def _ranges(part: str, least: int, most: int, words: Sequence[str]) -> bool:
    """Say whether a part of a field is a number, a range or a step between these bounds."""
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*":
        return True
    ends = [str(least + words.index(each)) if each in words else each for each in span.upper().split("-")]
    return len(ends) <= 2 and all(each.isdecimal() and least <= int(each) <= most for each in ends)


def of_pattern(pattern: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Say what is wrong with a pattern of events: each field has more fields, or a list of what it may be."""
    for key, value in pattern.items():
        here = f"{path}.{key}".lstrip(".")
        if key == "$or":
            for each in value if isinstance(value, list) else ():
                yield from of_pattern(each, here)
        elif isinstance(value, Mapping):
            yield from of_pattern(value, here)
        elif not isinstance(value, list) or not value:
            yield f"its pattern has {json.dumps(value)} for {here}, and must have a list of what it may be"
        else:
            for each in value:
                operators = set(each) if isinstance(each, Mapping) else set()
                if isinstance(each, list) or len(operators - OPERATORS) or (each == {}):
                    yield f"its pattern has {json.dumps(each)} for {here}, which EventBridge does not know"


def _of_statuses(pattern: Mapping[str, Any]) -> Iterator[str]:
    """Say which status no execution has."""
    states = service_model("stepfunctions")
    detail = pattern.get("detail", {})
    if "aws.states" in pattern.get("source", []) and states is not None and isinstance(detail, Mapping):
        known = states.shape_for("ExecutionStatus").enum  # type: ignore[attr-defined]  # a string's shape has it
        yield from (f"no execution is {each!r}" for each in detail.get("status", []) if each not in known)


def _of_composite(properties: Mapping[str, Any]) -> Iterator[str]:
    yield from of_alarms(str(properties.get("AlarmRule", "")))


def of_alarms(rule: str) -> Iterator[str]:
    """Say whether a composite alarm's rule does not parse."""
    bare = re.sub(r"[A-Za-z]+", lambda found: _CONNECTIVES.get(found[0], "?"), _ALARM.sub(" TRUE ", rule))
    try:
        ast.parse(bare.strip(), mode="eval")
    except SyntaxError:
        yield f"the rule {rule[:200]!r} is none of states of alarms, AND, OR, NOT and brackets"


def _of_dashboard(properties: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_json(properties.get("DashboardBody"), "its body", "widgets")


def _of_json(text: Any, what: str, *members: str) -> Iterator[str]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        yield f"{what} is no JSON"
        return
    yield from (f"{what} has no {each}" for each in members if not found.get(each))


_LOOKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "AWS::Events::Rule": _of_rule,
    "AWS::CloudWatch::CompositeAlarm": _of_composite,
    "AWS::CloudWatch::Dashboard": _of_dashboard,
}
