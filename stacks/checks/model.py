"""Values against a service's own model: names, types, required members, enumerations, patterns, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from stacks.checks import dialect, values
from stacks.checks.values import Known

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}
_GIVES = {
    **{"string": "string", "boolean": "boolean", "structure": "object", "map": "object", "list": "array"},
    **dict.fromkeys(("integer", "long", "float", "double"), "number"),
}
"""What an expression must give, by the kind of shape that it stands for."""
ATTRIBUTE = "AttributeValue"
"""DynamoDB's value of an attribute: one type and what is of it. A number is written as a text,
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html."""
_SURROGATES = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
"""How Java writes all characters beyond 16 bits, and how others do."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Model:
    """
    What values are held to.

    Parameters
    ----------
    known
        The variables that expressions read.
    free
        Members of the outermost structure that may be anything.
    """

    known: Known
    free: frozenset[str] = frozenset()

    def wrong(self, value: Any, shape: Shape, path: str) -> Iterator[str]:
        """Say where a value is not of a shape."""
        if values.is_expression(value):
            found = values.evaluate(value, self.known)
            if found is values.UNKNOWN:
                yield from _of_types(value, shape, path)
                return
            if isinstance(found, values.Failure):
                yield f"{path} is {value!r}, which fails: {found.message}"
                return
            value = found
        if isinstance(shape, StructureShape):
            yield from self._in_structure(value, shape, path)
        elif isinstance(shape, ListShape):
            if not isinstance(value, list):
                yield f"{path or 'the arguments'} must be a list"
                return
            yield from _of_size(len(value), shape, path, f"a list of {len(value)}")
            for number, each in enumerate(value):
                yield from self.wrong(each, shape.member, f"{path}[{number}]")
        elif isinstance(shape, MapShape):
            if not isinstance(value, Mapping):
                yield f"{path} must be a map"
                return
            yield from _of_size(len(value), shape, path, f"a map of {len(value)}")
            for key, each in value.items():
                yield from _in_scalar(key, shape.key, f"{path}'s key")
                yield from self.wrong(each, shape.value, f"{path}.{key}")
        elif shape.type_name in _TYPES:
            yield from _in_scalar(value, shape, path)

    def _in_structure(self, value: Any, shape: StructureShape, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path or 'the arguments'} must be an object"
            return
        # Step Functions wants every member's first letter large, whatever the service does; DynamoDB's are.
        members = {name[:1].upper() + name[1:]: member for name, member in shape.members.items()}
        for name, each in value.items():
            if name not in members:
                yield f"{path}.{name} is unknown to the service".lstrip(".")
            elif path or name not in self.free:
                yield from self.wrong(each, members[name], f"{path}.{name}".lstrip("."))
        for name in shape.required_members:
            if name[:1].upper() + name[1:] not in value:
                yield f"{path}.{name} is missing".lstrip(".")
        if shape.name == ATTRIBUTE:
            yield from self._of_attribute(value, path)

    def _of_attribute(self, value: Mapping[str, Any], path: str) -> Iterator[str]:
        if len(value) != 1:
            yield f"{path} must be of one type and is of {len(value)}"
        given = value.get("N", "0")
        if values.is_expression(given):
            if "any" in dialect.types(given[2:-2]):
                yield f"{path}.N is {given!r}, which may be a number: DynamoDB wants its text, as $string gives it"
            given = values.evaluate(given, self.known)
        if isinstance(given, str) and not _NUMBER.fullmatch(given):
            yield f"{path}.N is {given!r}, which is no number"


def _of_types(value: str, shape: Shape, path: str) -> Iterator[str]:
    """Say that an expression is of another type, whatever a run gives it."""
    wanted, given = _GIVES.get(shape.type_name, dialect.ANY), dialect.types(value[2:-2])
    if dialect.ANY not in (wanted, *given) and wanted not in given:
        yield f"{path} is {value!r}, which gives a {' or a '.join(sorted(given))} and must be a {shape.type_name}"
    if shape.name == ATTRIBUTE and given != {"object"}:
        yield f"{path} is {value!r}, of which nothing says the type"


def _in_scalar(value: Any, shape: Shape, path: str) -> Iterator[str]:
    wanted = _TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        yield f"{path} is {value!r} and must be a {shape.type_name}"
        return
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        size = len(value) if isinstance(value, str) else value
        yield from _of_size(size, shape, path, repr(value)[:80])
    allowed = getattr(shape, "enum", [])
    if allowed and value not in allowed:
        yield f"{path} is {value!r}, which the service does not know"
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str):
        yield from _of_pattern(pattern, value, path)


def _of_size(size: float, shape: Shape, path: str, shown: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{path} is {shown}, outside {least}…{most}"


def _of_pattern(pattern: str, value: str, path: str) -> Iterator[str]:
    try:
        fits = matches(pattern, value)
    except regex.error as error:
        yield f"{path} has the pattern {pattern}, which cannot be read here: {error}"
        return
    if not fits:
        yield f"{path} is {value!r} and does not match {pattern}"


def matches(pattern: str, value: str) -> bool:
    """Say whether all of a value matches, as AWS's services read their patterns, which know classes of characters.

    Raises
    ------
    regex.error
        When the pattern is written in a dialect that is not known here.
    """
    return regex.fullmatch(pattern.replace(*_SURROGATES), value) is not None
