"""Every JSONata expression parses, and reads variables only that every way to its state has assigned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonata

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines, strings
from stacks.checks.result import Result

_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)(?!\w)(?!\s*\()")
_LOCAL = re.compile(r"\$(\w+)\s*:=|function\s*\(([^)]*)\)")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
RESERVED = "states"
"""Step Functions' own variable: input, result, error and context."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every state machine that is written in JSONata."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            definition = json.loads(machine.definition)
            if definition.get("QueryLanguage") == "JSONata":
                count += sum(1 for state in definition["States"].values() for _ in expressions(state))
                findings += [f"{machine.stack} {each}" for each in of_machine(definition)]
    return Result("expressions", "JSONata: syntax, variables assigned before", count, tuple(findings))


def of_machine(definition: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with one definition's expressions."""
    states = definition["States"]
    lost = [
        f"{name} leads to {following}, which is no state"
        for name, state in states.items()
        for following, _ in _ways(state)
        if following not in states
    ]
    if definition["StartAt"] not in states:
        lost.append(f"StartAt is {definition['StartAt']}, which is no state")
    if lost:
        yield from lost
        return
    known = assigned(definition)
    for name, state in states.items():
        if name not in known:
            yield f"{name} is never reached"
            continue
        for expression in expressions(state):
            try:
                jsonata.Jsonata(expression)
            except jsonata.JException as error:
                yield f"{name}: {expression!r} does not parse: {error}"
                continue
            for variable in sorted(variables(expression) - known[name]):
                yield f"{name}: ${variable} is not assigned on every way there"


def assigned(definition: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return, by state that can be reached, the variables that every way to it has assigned."""
    known: dict[str, frozenset[str]] = {definition["StartAt"]: frozenset()}
    waiting = [definition["StartAt"]]
    while waiting:
        name = waiting.pop()
        for following, more in _ways(definition["States"][name]):
            arriving = known[name] | more
            before = known.get(following)
            after = arriving if before is None else before & arriving
            if after != before:
                known[following] = after
                waiting.append(following)
    return known


def _ways(state: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield where a state leads, and what is assigned on the way."""
    own = frozenset(state.get("Assign", {}))
    for place in (state.get("Next"), state.get("Default")):
        if place:
            yield place, own
    for rule in state.get("Choices", []):
        yield rule["Next"], frozenset(rule.get("Assign", {})) or own
    for catcher in state.get("Catch", []):
        yield catcher["Next"], frozenset(catcher.get("Assign", {}))


def expressions(value: Any) -> Iterator[str]:
    """Yield every expression in a state."""
    for each in strings(value):
        if each.startswith("{%") and each.endswith("%}"):
            yield each[2:-2].strip()


def variables(expression: str) -> set[str]:
    """Names of the workflow's variables that an expression reads."""
    bare = _TEXT.sub("''", expression)
    own = {RESERVED}
    for bound, parameters in _LOCAL.findall(bare):
        own |= {bound, *re.findall(r"\$(\w+)", parameters)}
    return set(_VARIABLE.findall(bare)) - own
