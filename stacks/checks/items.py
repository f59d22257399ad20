"""What is read of a table's items is what was written: names and types of attributes, across state machines.

DynamoDB gives nothing where an attribute is missing, so a misspelt one would read as empty for ever.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.assemblies import ROOT, Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines

_READ = re.compile(r"\$states\.result\.Item\.(\w+)(?:\.(\w+))?")
_SET = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
READERS = ("lambda_src", "scones")
"""Where code reads items by the names of their attributes."""
FOR_PEOPLE = frozenset(("acquired_at", "ended_at", "report_uri"))
"""Attributes that the console shows, and no code reads."""
Attributes = Mapping[str, str]
"""Types of attributes by name."""


def of_assembly(assembly: Assembly) -> Iterator[tuple[str, list[str]]]:
    """Yield each Task that reads or writes an item, with the attributes that the other side does not know."""
    puts: dict[str, list[tuple[str, Attributes]]] = defaultdict(list)
    updates: dict[str, dict[str, str]] = defaultdict(dict)
    reads: dict[str, list[tuple[str, set[tuple[str, str]]]]] = defaultdict(list)
    for machine in machines(assembly, REFERENCE):
        for name, state in machine.tasks():
            given, where = state.get("Arguments"), f"{machine.stack} {name}"
            action = str(state["Resource"]).rpartition(":")[2]
            if not isinstance(given, Mapping) or ":dynamodb:" not in str(state["Resource"]):
                continue
            if action == "putItem":
                attributes = {key: next(iter(value), "") for key, value in given.get("Item", {}).items()}
                puts[_item(given, given.get("Item"))].append((where, attributes))
            elif action == "updateItem":
                updates[_item(given, given.get("Key"))] |= _set(given)
            elif action == "getItem":
                taken = set(_READ.findall(json.dumps(state.get("Assign", {}))))
                reads[_item(given, given.get("Key"))].append((where, taken))
    for item, readers in reads.items():
        for where, taken in readers:
            yield where, [*_of_read(taken, puts[item], updates[item])]
    for item, writers in puts.items():
        known = {name for _, taken in reads[item] for name, _ in taken} | _mentioned() | FOR_PEOPLE
        for where, types in writers:
            yield where, [f"nobody reads {each!r} of its item" for each in sorted(set(types) - known)]


def _item(given: Mapping[str, Any], key: Any) -> str:
    """Return what tells an item from others: its constant key, or else its table."""
    identity = key.get("id", {}).get("S", "") if isinstance(key, Mapping) else ""
    return str(given.get("TableName")) if not identity or "{%" in identity else str(identity)


def _set(given: Mapping[str, Any]) -> dict[str, str]:
    names, values = given.get("ExpressionAttributeNames", {}), given.get("ExpressionAttributeValues", {})
    return {
        names.get(name, name): next(iter(values.get(value, {})), "")
        for name, value in _SET.findall(str(given.get("UpdateExpression")))
    }


def _of_read(
    taken: set[tuple[str, str]], puts: list[tuple[str, Attributes]], updates: Attributes
) -> Iterator[str]:
    if taken and not puts and not updates:
        yield "it reads an item that nobody writes"
    for name, kind in sorted(taken):
        for where, types in puts:
            written = types.get(name) or updates.get(name)
            if written is None:
                yield f"it reads {name!r}, which {where} does not write"
            elif kind and kind != written:
                yield f"it reads {name!r} as {kind}, and {where} writes it as {written}"


@functools.cache
def _mentioned() -> frozenset[str]:
    """Return every text in the code that reads items."""
    files = (file for folder in READERS for file in (ROOT / folder).rglob("*.py"))
    return frozenset(
        each for file in files for each in re.findall(r'"(\w+)"', file.read_text(encoding="utf-8"))
    )
