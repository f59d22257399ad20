"""The words that conditions compare a service's answer with: each is one that the service has.

A status misspelt in a Choice is no fault to any parser: the way that it guards is never taken.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from stacks.checks.result import Result
from stacks.checks.services import integration

_WORD = re.compile(r"'([^']*)'")
_COMPARED = re.compile(r"\$(\w+)\s*(?:!?=|in)\s*('[^']*'|\[[^\]]*\])")
_RESULT = re.compile(r"\$states\.result(?:\.\w+|\[[^\]]*\])*\.(\w+)")


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every comparison of every condition and every expression."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            for said in of_machine(machine):
                count += 1
                findings += [f"{machine.stack} {each}" for each in said]
    return Result("words", "conditions: words of the services", count, tuple(findings))


def of_machine(machine: Machine) -> Iterator[list[str]]:
    """Yield for each comparison with what a service enumerates what is wrong with it."""
    known = _known(machine)
    for name, state in machine.states():
        for variable, compared in _COMPARED.findall(json.dumps(state)):
            if variable in known:
                yield [
                    f"{name}: ${variable} is never {word!r}"
                    for word in _WORD.findall(compared)
                    if word not in known[variable]
                ]


def _known(machine: Machine) -> Mapping[str, frozenset[str]]:
    """Return what each variable may be that has its value from an enumeration, or is a word of the definition's own."""
    words: dict[str, set[str]] = defaultdict(set)
    enumerated: set[str] = set()
    others: set[str] = set()
    for state in (each for _, each in machine.states()):
        for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
            for variable, value in part.get("Assign", {}).items():
                allowed = _enumeration(state, str(value))
                if allowed:
                    enumerated.add(variable)
                elif not _WORD.search(str(value)):
                    others.add(variable)
                words[variable] |= {*allowed, *_WORD.findall(str(value))}
    return {each: frozenset(words[each]) for each in enumerated - others}


def _enumeration(state: Mapping[str, Any], value: str) -> frozenset[str]:
    """Return the words of the member of a Task's answer that an expression ends with, if it enumerates them."""
    found = _RESULT.findall(value)
    called = integration(str(state["Resource"])) if state["Type"] == "Task" and found else None
    operation = called.answers if called else None
    if operation is None or operation.output_shape is None:
        return frozenset()
    return frozenset(word for shape in _members(operation.output_shape, found[-1]) for word in shape)


def _members(shape: Shape, name: str, seen: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Yield the enumerations of all members of a name, however deep."""
    if shape.name in seen:
        return
    seen |= {shape.name}
    if isinstance(shape, StructureShape):
        for key, member in shape.members.items():
            if key[:1].upper() + key[1:] == name and getattr(member, "enum", []):
                yield member.enum  # type: ignore[attr-defined]  # a string's shape has it
            yield from _members(member, name, seen)
    elif isinstance(shape, ListShape):
        yield from _members(shape.member, name, seen)
    elif isinstance(shape, MapShape):
        yield from _members(shape.value, name, seen)
