"""Every JSONata expression parses, and reads variables only that every way to its state has assigned."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonata
from botocore.model import ListShape, MapShape, Shape, StructureShape

from stacks.checks import dialect
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import INNER, inner, machines, strings
from stacks.checks.result import Result
from stacks.checks.services import integration

_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)(?!\w)(?!\s*\()")
_LOCAL = re.compile(r"\$(\w+)\s*:=|function\s*\(([^)]*)\)")
LONGEST = 80
"""Characters of a variable's name."""
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_FIELD = re.compile(r"\$([A-Za-z_]\w*)\.(\w+)")
_WHOLE = re.compile(r"\{% \$(\w+) %\}")
_STATES = re.compile(r"\$states(?:\.\w+)*")
RESERVED = "states"
"""Step Functions' own variable: input, result, error and context."""
CONTEXT: dict[str, Any] = {
    "input": None,
    "context": {
        "Execution": dict.fromkeys(
            ("Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime")
        ),
        "State": dict.fromkeys(("EnteredTime", "Name", "RetryCount")),
        "StateMachine": dict.fromkeys(("Id", "Name")),
        "Task": dict.fromkeys(("Token",)),
        "Map": None,
    },
}
"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html"""
ERROR: dict[str, Any] = {"errorOutput": dict.fromkeys(("Error", "Cause"))}


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every state machine that is written in JSONata."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            definition = json.loads(machine.definition)
            if definition.get("QueryLanguage") == "JSONata":
                count += sum(1 for _ in expressions(definition))
                findings += [f"{machine.stack} {each}" for each in of_machine(definition)]
    return Result(
        "expressions", "JSONata: syntax, functions, variables assigned before", count, tuple(findings)
    )


def of_machine(
    definition: Mapping[str, Any],
    outside: frozenset[str] = frozenset(),
    taken: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """
    Say what is wrong with one definition's expressions, and with those of its branches and of what runs for each item.

    Parameters
    ----------
    outside, taken
        Of a machine within a state: the variables that may be read there, and those that it cannot assign, because
        they are assigned around it.
    """
    states = definition["States"]
    lost = [
        f"{name} leads to {following}, which is no state"
        for name, state in states.items()
        for following, _ in ways(state)
        if following not in states
    ]
    if definition["StartAt"] not in states:
        lost.append(f"StartAt is {definition['StartAt']}, which is no state")
    if lost:
        yield from lost
        return
    known = assigned(definition, outside)
    fields = objects(definition)
    taken |= _assigns(definition)
    for name, whole in states.items():
        if name not in known:
            yield f"{name} is never reached"
            continue
        for part in inner(whole):
            yield from of_machine(part, known[name], taken)
            yield from (
                f"{name}: ${each} is assigned within it and around it"
                for each in sorted(_assigns(part) & taken)
            )
        state = {key: value for key, value in whole.items() if key not in INNER}
        yield from (f"{name}: {each}" for each in (*_fields(state), *_conditions(state), *_names(state)))
        for expression in expressions(state):
            try:
                jsonata.Jsonata(expression)
            except jsonata.JException as error:
                yield f"{name}: {expression!r} does not parse: {error}"
                continue
            yield from (f"{name}: {expression!r}: {each}" for each in dialect.faults(expression))
            for variable in sorted(variables(expression) - known[name]):
                yield f"{name}: ${variable} is not assigned on every way there"
            for variable, field in _FIELD.findall(_TEXT.sub("''", expression)):
                if field not in fields.get(variable, {field}):
                    yield f"{name}: ${variable} is assigned without {field}"


def _names(state: Mapping[str, Any]) -> Iterator[str]:
    """Say which variables have a name that Step Functions refuses: https://states-language.net/spec.html#variables."""
    for part in (state, *state.get("Choices", []), *state.get("Catch", []), *state.get("Retry", [])):
        for variable in part.get("Assign", {}):
            if (
                not variable.isidentifier()
                or variable[0] == "_"
                or variable == "states"
                or len(variable) > LONGEST
            ):
                yield f"{variable!r} is no name of a variable: letters and digits, {LONGEST} at most, not `states`"


def _conditions(state: Mapping[str, Any]) -> Iterator[str]:
    """Say which conditions of a Choice are never true or false: Step Functions fails at them."""
    for rule in state.get("Choices", []):
        condition = rule.get("Condition", True)
        if isinstance(condition, bool):
            continue
        if not isinstance(condition, str) or [*expressions(condition)] == []:
            yield f"the condition {condition!r} is no expression, and neither true nor false"
        elif not dialect.types(condition[2:-2]) & {"boolean", dialect.ANY}:
            yield f"the condition {condition!r} gives no true and no false"


def _assigns(definition: Mapping[str, Any]) -> frozenset[str]:
    """Return the variables that a machine's own states assign."""
    parts = [
        part
        for state in definition["States"].values()
        for part in (state, *state.get("Choices", []), *state.get("Catch", []))
    ]
    return frozenset(variable for part in parts for variable in part.get("Assign", {}))


def assigned(
    definition: Mapping[str, Any], outside: frozenset[str] = frozenset()
) -> dict[str, frozenset[str]]:
    """Return, by state that can be reached, the variables that every way to it has assigned, and those from outside."""
    known: dict[str, frozenset[str]] = {definition["StartAt"]: outside}
    waiting = [definition["StartAt"]]
    while waiting:
        name = waiting.pop()
        for following, more in ways(definition["States"][name]):
            arriving = known[name] | more
            before = known.get(following)
            after = arriving if before is None else before & arriving
            if after != before:
                known[following] = after
                waiting.append(following)
    return known


def objects(definition: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the fields that a variable has however it was assigned, where objects alone are assigned to it.

    Objects written out, another variable's, or what Step Functions says of an error.
    """
    given: dict[str, list[Any]] = defaultdict(list)
    for state in definition["States"].values():
        for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
            for variable, value in part.get("Assign", {}).items():
                given[variable].append(value)
    found: dict[str, frozenset[str]] = {}
    for _ in given:  # what is another's is known after that one
        for variable, values in given.items():
            known = [_object(value, found) for value in values]
            if None not in known:
                found[variable] = frozenset.intersection(*(each for each in known if each is not None))
    return found


def _object(value: Any, found: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """Return the fields of what is assigned; what Step Functions says of an error has two."""
    if isinstance(value, Mapping):
        return frozenset(value)
    if value == "{% $states.errorOutput %}":
        return frozenset(ERROR["errorOutput"])
    whole = _WHOLE.fullmatch(str(value))
    return found.get(whole[1]) if whole else None


def ways(state: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield where a state leads, and what is assigned on the way."""
    own = frozenset(state.get("Assign", {}))
    for place in (state.get("Next"), state.get("Default")):
        if place:
            yield place, own
    for rule in state.get("Choices", []):
        yield rule["Next"], frozenset(rule.get("Assign", {})) or own
    for catcher in state.get("Catch", []):
        yield catcher["Next"], frozenset(catcher.get("Assign", {}))


def _fields(state: Mapping[str, Any]) -> Iterator[str]:
    """Say which fields of `$states` a state reads that are not there."""
    caught = state.get("Catch", [])
    own = {key: value for key, value in state.items() if key != "Catch"}
    for value, has in ((own, {**CONTEXT, **_result(state)}), (caught, {**CONTEXT, **ERROR})):
        for expression in expressions(value):
            # An expression that ends in a call or a filter is followed as far as its names go.
            for path in _STATES.findall(_TEXT.sub("''", expression)):
                if missing := missing_of(path.split(".")[1:], has):
                    yield f"$states.{'.'.join(path.split('.')[1:])} has no {missing}"


def _result(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of `$states.result`: a Task has one, of its operation's output."""
    if state["Type"] != "Task":
        return {} if state["Type"] in ("Pass", "Choice", "Wait", "Succeed", "Fail") else {"result": None}
    called = integration(str(state["Resource"]))
    if called.function or called.answers is None:
        return {"result": None}
    return {"result": _tree(called.answers.output_shape)}


def _tree(shape: Shape | None) -> Any:
    """Return a shape's fields as Step Functions names them; None for what may hold anything."""
    if isinstance(shape, ListShape):
        return _tree(shape.member)
    if isinstance(shape, MapShape):
        return _Anything(_tree(shape.value))
    if not isinstance(shape, StructureShape):
        return None if shape is None else {}
    return _Members(shape)


class _Anything(defaultdict[str, Any]):
    """A map, which has every key, and the same below each."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return self._value


class _Members(Mapping[str, Any]):
    """Reads a structure's members when they are asked for, because shapes hold themselves."""

    def __init__(self, shape: StructureShape) -> None:
        self._members = {name[:1].upper() + name[1:]: member for name, member in shape.members.items()}
        # Step Functions adds them to every answer of its own integrations.
        self._any = {"SdkHttpMetadata", "SdkResponseMetadata"}

    def __getitem__(self, name: str) -> Any:
        return None if name in self._any else _tree(self._members[name])

    def __iter__(self) -> Iterator[str]:
        return iter({*self._members, *self._any})

    def __len__(self) -> int:
        return len(self._members) + len(self._any)


def missing_of(path: Sequence[str], has: Any) -> str:
    """Return the first name of a path that is not there; below what may hold anything, all are."""
    for name in path:
        if has is None:
            return ""
        if name not in has:
            return name
        has = has[name]
    return ""


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
