"""What an expression gives, as far as that is known before a run: from literals, from variables, from the context.

A variable is known by what its state machine assigns. What comes from a service or from a function is not, and in a
text that is put together a short word stands for it: what is around the word is the template's own.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonata

from stacks.checks import expressions

CONTEXT = {
    "context": {
        "Execution": {
            "Id": "arn:aws:states:us-east-1:123456789012:execution:machine:name",
            "Name": "n" * 80,
            "StartTime": "2026-01-01T00:00:00.000Z",
        },
        "State": {"Name": "State", "RetryCount": 9},
        "StateMachine": {
            "Id": "arn:aws:states:us-east-1:123456789012:stateMachine:machine",
            "Name": "machine",
        },
    }
}
"""What a run is told of itself, as long as it gets; no task retries more often."""
WORD = "a1b2c3"
"""Stands for a text that only a run knows: every pattern of a name takes it as a part."""
UNKNOWN = object()
_PART = r"(?:'[^']*'|\$\w+(?:\.\w+)*|\$string\(\$\w+(?:\.\w+)*\))"
_JOINED = re.compile(rf"\s*{_PART}(?:\s*&\s*{_PART})+\s*")
_PATH = re.compile(r"\$(\w+)((?:\.\w+)*)(?!\s*\()")
_TEXT = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class Failure:
    """An expression that fails with values it will have; the message is JSONata's."""

    message: str


@dataclass
class Known:
    """
    Variables of a state machine.

    Parameters
    ----------
    values
        By name. Of an object, the fields that are known.
    partial
        Names of objects that have other fields, too.
    """

    values: dict[str, Any] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)

    def tells(self, text: str) -> bool:
        """Say whether everything that an expression reads is known."""
        bare = _TEXT.sub("''", text)
        for name, path in _PATH.findall(bare):
            first = path.lstrip(".").partition(".")[0]
            if name == expressions.RESERVED:
                if not _has(CONTEXT, path):
                    return False
            elif name in expressions.variables(bare) and (
                name not in self.values or (name in self.partial and first not in self.values[name])
            ):
                return False
        return True


def _has(value: Any, path: str) -> bool:
    for part in path.split(".")[1:]:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def assigned(states: Iterable[Mapping[str, Any]]) -> Known:
    """Return the variables that a state machine assigns, with the values that can be known."""
    known = Known()
    given = [
        (name, value)
        for state in states
        for part in (state, *state.get("Choices", []), *state.get("Catch", []))
        for name, value in part.get("Assign", {}).items()
    ]
    for _ in range(4):  # a variable is made from others, and those from others
        for name, value in given:
            found = _evaluated(value, known)
            if found is not UNKNOWN:
                _keep(
                    known,
                    name,
                    found,
                    whole=UNKNOWN not in found.values() if isinstance(found, dict) else True,
                )
    for name, value in given:
        # Empty to begin with, and by now what a service gave.
        if known.values.get(name) == "" and _evaluated(value, known) is UNKNOWN:
            del known.values[name]
    return known


def _evaluated(value: Any, known: Known) -> Any:
    if isinstance(value, Mapping):
        return {key: _evaluated(each, known) for key, each in value.items()}
    found = evaluate(value, known) if is_expression(value) else value
    return UNKNOWN if isinstance(found, Failure) else found


def _keep(known: Known, name: str, found: Any, *, whole: bool) -> None:
    before = known.values.get(name)
    if isinstance(found, dict):
        fields = {key: each for key, each in found.items() if each is not UNKNOWN}
        known.values[name] = {**(before if isinstance(before, dict) else {}), **fields}
        if not whole or not fields:
            known.partial.add(name)
    elif before is None or (isinstance(before, str) and len(str(found)) > len(before)):
        known.values[name] = found


def is_expression(value: Any) -> bool:
    """Say whether a value is one."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def evaluate(value: str, known: Known) -> Any:
    """Return what an expression gives, `UNKNOWN` where only a run knows, or how it fails."""
    text = value[2:-2].strip()
    bindings: dict[str, Any] = {**known.values, expressions.RESERVED: CONTEXT}
    if not known.tells(text):
        if not _JOINED.fullmatch(text):
            return UNKNOWN
        for name, path in _PATH.findall(_TEXT.sub("''", text)):
            bindings[name] = _stand_in(bindings.get(name), path.split(".")[1:])
    try:
        expression = prepared(text)
        for name, each in bindings.items():
            expression.assign(name, each)
        found = expression.evaluate(None)
    except jsonata.JException as error:
        return Failure(str(error))
    return Failure("it gives nothing") if found is None and text != "null" else _plain(found)


def _stand_in(value: Any, path: list[str]) -> Any:
    """Put the word where a path leads to nothing known."""
    if not path:
        return WORD if value is None else value
    inner = value if isinstance(value, Mapping) else {}
    return {**inner, path[0]: _stand_in(inner.get(path[0]), path[1:])}


def _plain(value: Any) -> Any:
    """Return JSONata's own lists and objects as Python's."""
    return json.loads(json.dumps(value, default=str))


def prepared(text: str) -> jsonata.Jsonata:
    """Return an expression with the functions that are Step Functions' own."""
    expression = jsonata.Jsonata(text)
    # As many hexadecimal digits, and as long a text, as a run would get.
    expression.register_lambda(
        "hash", lambda data, name: hashlib.new(name.replace("-", ""), str(data).encode()).hexdigest()
    )
    expression.register_lambda("uuid", lambda: str(uuid.UUID(int=0)))
    expression.register_lambda("parse", json.loads)
    expression.register_lambda("random", lambda *seed: random.Random(*seed).random())  # noqa: S311  # no secret
    expression.register_lambda("range", lambda first, last, step: [*range(first, last + 1, step)])
    expression.register_lambda(
        "partition", lambda all_, size: [all_[n : n + size] for n in range(0, len(all_), size)]
    )
    return expression
