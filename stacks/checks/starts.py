"""What state machines are started with is what they read, and custom resources are given what their handlers read."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks import code
from stacks.checks.assemblies import ROOT, Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines, render

FOR_PEOPLE = frozenset(("why",))
"""Fields of an input that no machine reads: the console shows them."""
STEP = "start"
"""The field whose values are words that the machine knows."""
STARTING = frozenset(("start", "run"))
"""How functions of `lambda_src` and `scones` are called that start a machine with a mapping."""
REQUEST = frozenset(
    (
        *("RequestType", "ResponseURL", "StackId", "RequestId", "ResourceType", "LogicalResourceId"),
        *("PhysicalResourceId", "ResourceProperties", "OldResourceProperties", "Data"),
    )
)
"""What a handler is given, `Data` by CDK's provider framework:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html"""
CLOUDFORMATION_S = frozenset(("ServiceToken", "ServiceTimeout"))
HANDLERS = ("USER_ON_EVENT_FUNCTION_ARN", "USER_IS_COMPLETE_FUNCTION_ARN")
"""The variables by which CDK's framework knows the functions that it asks."""

Start = tuple[str, str, Mapping[str, str]]
"""Where a machine is started, which one as far as the template says, and its input: values that are texts, or none."""


def of_assembly(assembly: Assembly) -> Iterator[tuple[str, list[str]]]:
    """Yield each start of a machine that reads its input, and each custom resource of ours, with what is wrong."""
    reading = [each for each in machines(assembly, REFERENCE) if each.kind == "STANDARD" and _read(each)]
    starts = [*_by_machines(assembly), *_by_rules(assembly), *by_code()]
    for where, target, given in starts:
        meant = [each for each in reading if not target or each.name.lower() in target.lower()]
        yield where, [*_of_start(meant, given)] if meant else []
    for machine in reading:
        never = _read(machine) - {name for _, _, given in starts for name in given}
        yield f"{machine.stack} {machine.name}", [f"nobody starts it with {each!r}" for each in sorted(never)]
    yield from _of_resources(assembly)


def _read(machine: Machine) -> set[str]:
    return set(re.findall(r"\$states\.input\.(\w+)", machine.definition))


def _of_start(meant: list[Machine], given: Mapping[str, str]) -> Iterator[str]:
    read = {name for each in meant for name in _read(each)}
    yield from (f"its machine does not read {name!r}" for name in sorted(set(given) - read - FOR_PEOPLE))
    words = {word for each in meant for word in _steps(each)}
    if given.get(STEP) and given[STEP] not in words:
        yield f"its machine knows no {STEP} {given[STEP]!r}"


def _steps(machine: Machine) -> set[str]:
    """Return the words that a machine compares the step with, and the one that it takes by itself."""
    compared = re.findall(rf"\${STEP}\s*(?:!?=|in)\s*('[^']*'|\[[^\]]*\])", machine.definition)
    usual = re.findall(rf"\$states\.input\.{STEP} : ('\w+')", machine.definition)
    return {word for each in (*compared, *usual) for word in re.findall(r"'(\w+)'", each)}


def _by_machines(assembly: Assembly) -> Iterator[Start]:
    for machine in machines(assembly, REFERENCE):
        for name, action, given in machine.calls():
            if action == "startExecution":
                pairs = re.findall(r"'(\w+)'\s*:\s*(?:'([^']*)')?", str(given.get("Input", "")))
                yield f"{machine.stack} {name}", str(given.get("StateMachineArn", "")), dict(pairs)


def _by_rules(assembly: Assembly) -> Iterator[Start]:
    for stack, name, rule in assembly.resources("AWS::Events::Rule"):
        for target in rule["Properties"].get("Targets", []):
            arn = str(render(target["Arn"], assembly.templates[stack], REFERENCE))
            written = target.get("Input")
            if isinstance(written, str):
                try:
                    given = json.loads(written)
                except ValueError:  # another check says so
                    continue
                yield f"{stack} {name}", arn, {key: str(value) for key, value in given.items()}


@functools.cache
def by_code() -> tuple[Start, ...]:
    """Return the inputs that functions and commands write out where they start a machine."""
    return tuple(_by_code())


def _by_code() -> Iterator[Start]:
    for folder in ("lambda_src", "scones"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = str(file.relative_to(ROOT))
            tree = code.parsed(path)
            for node in ast.walk(tree) if tree else ():
                if isinstance(node, ast.FunctionDef):
                    for call in ast.walk(node):
                        for given in _inputs(call, node):
                            yield f"{path}, line {given.lineno}", "", dict(_pairs(given))


def _inputs(call: ast.AST, function: ast.FunctionDef) -> Iterator[ast.Dict]:
    """Yield the dictionaries that a call starts a machine with, written there or assigned to a name before."""
    called = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
    for given in call.args if isinstance(call, ast.Call) and called in STARTING else ():
        assigned = [
            each.value
            for each in ast.walk(function)
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == ast.unparse(given)
        ]
        for value in (given, *assigned):
            yield from (each for each in ast.walk(value) if isinstance(each, ast.Dict))


def _pairs(given: ast.Dict) -> Iterator[tuple[str, str]]:
    for key, value in zip(given.keys, given.values, strict=True):
        if isinstance(key, ast.Constant):
            yield str(key.value), str(value.value) if isinstance(value, ast.Constant) else ""


def _of_resources(assembly: Assembly) -> Iterator[tuple[str, list[str]]]:
    for stack, template in assembly.templates.items():
        resources = template["Resources"]
        for name, resource in resources.items():
            if resource["Type"].startswith("Custom::"):
                handlers = [*_handlers(resources, resource["Properties"].get("ServiceToken"))]
                if handlers:
                    yield f"{stack} {name}", [*_of_resource(resource["Properties"], handlers)]


def _handlers(resources: Mapping[str, Any], token: Any) -> Iterator[str]:
    """Yield the functions of ours that CDK's framework asks for a custom resource."""
    asked = _function(resources, token)
    variables = asked.get("Environment", {}).get("Variables", {})
    for variable in HANDLERS:
        handler = str(_function(resources, variables.get(variable)).get("Handler", ""))
        if code.function(handler):
            yield handler


def _function(resources: Mapping[str, Any], arn: Any) -> Mapping[str, Any]:
    """Return the properties of the function that an attribute names; nothing where it names none."""
    named = arn.get("Fn::GetAtt", [""])[0] if isinstance(arn, Mapping) else ""
    found: Mapping[str, Any] = resources.get(named, {}).get("Properties", {})
    return found


def _of_resource(properties: Mapping[str, Any], handlers: list[str]) -> Iterator[str]:
    read = {path for each in handlers for path in code.reads(each) or ()}
    for outer in sorted({path[0] for path in read} - REQUEST):
        yield f"its handler reads {outer!r}, which no request has"
    own = {path[1] for path in read if path[0] == "ResourceProperties" and path[1:]}
    given = set(properties) - CLOUDFORMATION_S
    yield from (f"its handler does not read {each!r}" for each in sorted(given - own))
    yield from (f"its handler reads {each!r}, which is not given" for each in sorted(own - given))
