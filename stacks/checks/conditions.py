"""DynamoDB's expressions: their grammar, functions, placeholders and reserved words, which DynamoDB reads at a call.

After https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services._dynamodb_keywords import AWS_KEYWORDS

CONDITIONS = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
EXPRESSIONS = (*CONDITIONS, "ProjectionExpression", "UpdateExpression")
FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
"""Functions of a condition, and how many operands each takes; their case matters."""
UPDATING = {"if_not_exists": 2, "list_append": 2}
CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")
WORDS = ("AND", "OR", "NOT", "BETWEEN", "IN")
COMPARATORS = ("=", "<>", "<=", ">=", "<", ">")
PLACES = {"#": "ExpressionAttributeNames", ":": "ExpressionAttributeValues"}
_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),.\[\]+-]|[#:]?\w+|\S)")
_NAME = re.compile(r"#?[A-Za-z_]\w*|#\w+")


class _SyntaxError(Exception):
    """What a condition has in a place, and what it should have there."""


def faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Say what DynamoDB refuses in the expressions of one call."""
    written = {key: each for key, each in given.items() if key in EXPRESSIONS and isinstance(each, str)}
    if any(each.startswith("{%") for each in written.values()):
        return
    used: set[str] = set()
    for key, expression in written.items():
        tokens = _TOKEN.findall(expression)
        used |= {each for each in tokens if each[0] in PLACES}
        yield from (f"{key}: {each}" for each in _of_tokens(tokens, updating=key == "UpdateExpression"))
        if key in CONDITIONS:
            try:
                _Condition(tokens).read()
            except _SyntaxError as error:
                yield f"{key} {expression!r}: {error}"
    for sign, place in PLACES.items():
        own, named = {each for each in used if each[0] == sign}, given.get(place, {})
        if isinstance(named, Mapping):
            yield from (
                f"{each} is used, and {place} does not say what it is" for each in sorted(own - set(named))
            )
            yield from (f"{each} is in {place}, and nothing uses it" for each in sorted(set(named) - own))


def _of_tokens(tokens: list[str], *, updating: bool) -> Iterator[str]:
    """Say which function there is not, and which attribute has a word of DynamoDB's as its name."""
    functions = {**FUNCTIONS, **UPDATING} if updating else FUNCTIONS
    for number, token in enumerate(tokens):
        called = tokens[number + 1 : number + 2] == ["("]
        if not token[0].isalpha() or token.upper() in WORDS or (updating and token.upper() in CLAUSES):
            continue
        if called and token not in functions:
            yield f"there is no function {token}"
        elif not called and token.upper() in AWS_KEYWORDS:
            yield f"{token} is a reserved word: name the attribute by a placeholder"


class _Condition:
    """Reads a condition by DynamoDB's grammar, one token after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._at = 0

    def read(self) -> None:
        """Read all of it, or say where it breaks off."""
        self._either()
        if self._next:
            raise _SyntaxError(f"nothing can follow before {self._next!r}")

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self, *wanted: str) -> str:
        token = self._next
        if wanted and token.upper() not in wanted:
            raise _SyntaxError(f"it has {token or 'its end'!r} where {' or '.join(wanted)} should be")
        self._at += 1
        return token

    def _either(self) -> None:
        self._both()
        while self._next.upper() == "OR":
            self._take()
            self._both()

    def _both(self) -> None:
        self._one()
        while self._next.upper() == "AND":
            self._take()
            self._one()

    def _one(self) -> None:
        if self._next.upper() == "NOT":
            self._take()
            self._one()
        elif self._next == "(":
            self._take()
            self._either()
            self._take(")")
        elif self._tokens[self._at + 1 : self._at + 2] == ["("] and self._next != "size":
            self._call()
        else:
            self._compared()

    def _compared(self) -> None:
        self._operand()
        word = self._take(*COMPARATORS, "BETWEEN", "IN").upper()
        if word == "IN":
            self._operands()
            return
        self._operand()
        if word == "BETWEEN":
            self._take("AND")
            self._operand()

    def _call(self) -> None:
        name = self._take()
        given = self._operands()
        if given != FUNCTIONS.get(name, given):
            raise _SyntaxError(f"{name} is given {given} operands, and takes {FUNCTIONS[name]}")

    def _operands(self) -> int:
        self._take("(")
        self._operand()
        count = 1
        while self._take(",", ")") == ",":
            self._operand()
            count += 1
        return count

    def _operand(self) -> None:
        if self._tokens[self._at + 1 : self._at + 2] == ["("]:
            self._call()
            return
        token = self._take()
        if token.startswith(":"):
            return
        if not _NAME.fullmatch(token) or token.upper() in WORDS:
            raise _SyntaxError(f"it has {token or 'its end'!r} where an attribute or a value should be")
        while self._next in (".", "["):
            if self._take() == ".":
                self._take()
            else:
                self._take()
                self._take("]")
