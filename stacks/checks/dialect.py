"""JSONata as Step Functions has it: which functions, with how many arguments, and of what type an expression is.

After https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html: JSONata's own functions without
`$eval`, six of Step Functions' own, and neither `$` nor a bare field outside a path, because there is no input to
read but `$states.input`. JSONata's are on https://docs.jsonata.org/overview.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jsonata

ANY = "any"
_SIGNATURES = {
    "string": (
        "string:1-2 substring:2-3 substringBefore:2 substringAfter:2 uppercase:1 lowercase:1 trim:1 pad:2-3 join:1-2 "
        "replace:3-4 base64encode:1 base64decode:1 encodeUrlComponent:1 encodeUrl:1 decodeUrlComponent:1 decodeUrl:1 "
        "formatNumber:2-3 formatBase:1-2 formatInteger:2 now:0-2 fromMillis:1-3 type:1 hash:2 uuid:0"
    ),
    "number": (
        "length:1 number:1 abs:1 floor:1 ceil:1 round:1-2 power:2 sqrt:1 random:0-1 parseInteger:2 sum:1 max:1 min:1 "
        "average:1 count:1 millis:0 toMillis:1-2"
    ),
    "boolean": "contains:2 boolean:1 not:1 exists:1",
    "array": "split:2-3 range:3 partition:2 shuffle:1 zip:1-99",
    "object": "merge:1",
    ANY: (
        "match:2-3 parse:1 append:2 sort:1-2 reverse:1 distinct:1 keys:1 lookup:2 spread:1 sift:2 each:2 error:0-1 "
        "assert:1-2 map:2 filter:2 single:1-2 reduce:2-3"
    ),
}
"""Functions by what they give: the least and the most arguments; `any` where it depends on them."""


@dataclass(frozen=True)
class Function:
    """A function: how many arguments it takes, and of what type its result is."""

    least: int
    most: int
    gives: str


FUNCTIONS = {
    name: Function(int(span.partition("-")[0]), int(span.rpartition("-")[2]), gives)
    for gives, listed in _SIGNATURES.items()
    for name, _, span in (each.partition(":") for each in listed.split())
}
HASHES = ("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512")
_INSIDE = ("stages", "predicate", "group", "terms")
"""Parts of an expression that read what is before them."""
_PARTS = (
    *("lhs", "rhs", "lhs_object", "arguments", "expressions", "condition", "then", "_else"),
    *("procedure", "body", "expression", "expr"),
)
_OPERATORS = {
    "&": "string",
    **dict.fromkeys("+-*/%", "number"),
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "and", "or", "in"), "boolean"),
    "..": "array",
}


def faults(expression: str) -> Iterator[str]:
    """Say what Step Functions refuses in an expression that parses."""
    tree = jsonata.Jsonata(expression).ast
    own = set(_bound(tree))
    for node, inside, piped in _walk(tree, inside=False):
        if node.type in ("function", "partial") and _is(node.procedure, "variable"):
            name = str(node.procedure.value)
            if name not in own:
                yield from _of_call(name, len(node.arguments or ()) + piped, inside=inside)
                yield from _of_hash(name, node.arguments or ())
        if node.type == "name" and not inside:
            yield f"{node.value} is read of nothing: an expression has $states.input and variables"
        if node.type == "variable" and node.value in ("", "$") and not inside:
            yield f"${node.value} is nothing in Step Functions: it has $states.input"


def _of_call(name: str, given: int, *, inside: bool) -> Iterator[str]:
    known = FUNCTIONS.get(name)
    if known is None:
        yield f"Step Functions has no function ${name}" + (", but $parse" if name == "eval" else "")
    elif not known.least - inside <= given <= known.most:
        span = f"{known.least}" if known.least == known.most else f"{known.least} to {known.most}"
        yield f"${name} is given {given} arguments, and takes {span}"


def _of_hash(name: str, given: Sequence[Any]) -> Iterator[str]:
    if name == "hash" and given and _is(given[-1], "string") and given[-1].value not in HASHES:
        yield f"$hash knows {', '.join(HASHES)}, and no {given[-1].value}"


def types(expression: str) -> frozenset[str]:
    """Return the types that an expression's result can have, with `any` among them where only a run knows."""
    try:
        return frozenset(_types(jsonata.Jsonata(expression).ast))
    except jsonata.JException:  # it does not parse: the check of expressions says so
        return frozenset({ANY})


def _types(node: Any) -> Iterator[str]:
    if node.type in ("string", "number"):
        yield node.type
    elif node.type == "value":
        yield "null" if node.value is None else "boolean"
    elif node.predicate:
        yield ANY
    elif node.type == "unary":
        yield {"[": "array", "{": "object", "-": "number"}.get(str(node.value), ANY)
    elif node.type == "binary":
        yield _OPERATORS.get(str(node.value), ANY)
    elif node.type == "condition":
        yield from _types(node.then)
        yield from _types(node._else) if node._else is not None else ()
    elif node.type == "block" and node.expressions:
        yield from _types(node.expressions[-1])
    elif node.type == "apply":
        yield from _types(node.rhs)
    elif node.type == "function" and _is(node.procedure, "variable"):
        yield FUNCTIONS[node.procedure.value].gives if node.procedure.value in FUNCTIONS else ANY
    else:
        yield ANY


def _walk(node: Any, *, inside: bool, piped: int = 0) -> Iterator[tuple[Any, bool, int]]:
    """Yield every part of a tree, whether it stands in a path, and the arguments that `~>` adds to it."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _walk(each, inside=inside, piped=piped)
        return
    if not hasattr(node, "type"):
        return
    yield node, inside, piped
    for number, step in enumerate(node.steps or ()):
        yield from _walk(step, inside=inside or number > 0)
    for part in _PARTS:
        added = int(node.type == "apply" and part == "rhs")
        yield from _walk(getattr(node, part, None), inside=inside, piped=added)
    for part in _INSIDE:
        yield from _walk(getattr(node, part, None), inside=True)


def _bound(tree: Any) -> Iterator[str]:
    for node, _, _ in _walk(tree, inside=False):
        if node.type == "bind":
            yield str(node.lhs.value)
        if node.type == "lambda":
            yield from (str(each.value) for each in node.arguments or ())


def _is(node: Any, kind: str) -> bool:
    return getattr(node, "type", None) == kind
