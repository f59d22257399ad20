"""How one thing in a template or a definition is changed: the tools that faults are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Change = Callable[[Any], None]


def misspelt(text: str) -> str:
    """Swap the last two letters that differ."""
    return text[:-2] + text[-1] + text[-2] if len(text) > 2 and text[-1] != text[-2] else text + "x"


def at(path: Sequence[Any], make: Callable[[Any], Any]) -> Change:
    """Replace what is at a path."""

    def change(value: Any) -> None:
        for part in path[:-1]:
            value = value[part]
        last = path[-1]
        value[last] = make(value[last] if isinstance(value, list) or last in value else None)

    return change


def always(value: Any) -> Callable[[Any], Any]:
    """Put this there, whatever was."""
    return lambda _: value


def without(path: Sequence[Any], key: Any) -> Change:
    """Leave out a member of what is at a path."""

    def change(value: Any) -> None:
        for part in path:
            value = value[part]
        value.pop(key, None)

    return change


def renamed(path: Sequence[Any], key: Any) -> Change:
    """Misspell a member of what is at a path."""

    def change(value: Any) -> None:
        for part in path:
            value = value[part]
        value[misspelt(key)] = value.pop(key)

    return change
