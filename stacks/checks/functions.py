"""Every function's handler is in its package, its variables are those it reads, and its queue waits for it."""

from __future__ import annotations

import ast
import functools
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stacks.checks import variables
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines, render
from stacks.checks.result import Result

LAYER = re.compile(
    r":lambda:.*:017000801446:layer:AWSLambdaPowertoolsPythonV3-(python\d+)-(x86_64|arm64):\d+$"
)
"""https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/"""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every function, and every export that one stack takes from another."""
    findings = []
    count = 0
    for assembly in assemblies:
        for stack, name, function in assembly.resources("AWS::Lambda::Function"):
            count += 1
            findings += [f"{stack} {name}: {each}" for each in _of_function(assembly, stack, function)]
        findings += _of_queues(assembly)
        findings += _of_imports(assembly)
    return Result("functions", "handlers, variables, queues, imports", count, tuple(findings))


def _of_function(assembly: Assembly, stack: str, function: Mapping[str, Any]) -> Iterator[str]:
    properties = function["Properties"]
    key = _inside(properties, "Code", "S3Key")
    package = _package(assembly, stack, key)
    if package is None:
        yield f"no asset of the stack is {key or 'its code'}"
        return
    module, _, entry = str(properties.get("Handler", "")).rpartition(".")
    given = _inside(properties, "Environment", "Variables") or {}
    if str(properties["Runtime"]).startswith("nodejs"):
        source = _source(package, f"{module}.js")
        if source is None or entry not in source:
            yield f"its package has no {module}.js with {entry}"
        yield from variables.of_provider(f"{module}.{entry}", given)
        yield from variables.of_values(assembly.templates[stack]["Resources"], given)
        return
    source = _source(package, module.replace(".", "/") + ".py")
    if source is None:
        yield f"its package has no module {module}"
        return
    tree = ast.parse(source)
    if entry not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
        yield f"{module} has no function {entry}"
    yield from (f"it imports {name}, which its package lacks" for name in _absent(package, module))
    yield from _of_layers(assembly, stack, properties)
    yield from variables.of_handler(tree, given, render(given, assembly.templates[stack], REFERENCE))
    endpoint = given.get("ENDPOINT_NAME")
    if isinstance(endpoint, str) and endpoint not in _endpoints(assembly):
        yield f"ENDPOINT_NAME is {json.dumps(endpoint)}, and no state machine creates that endpoint"
    yield from variables.of_values(assembly.templates[stack]["Resources"], given)


def _absent(package: Path, module: str) -> list[str]:
    """Return the modules of our own that a handler comes to import, and that are not in its package."""
    own = module.partition(".")[0]
    absent, seen, waiting = set(), set(), [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source = _module(package, name)
        if source is None:
            absent.add(name)
            continue
        for node in ast.walk(ast.parse(source)):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                # What is imported from a package may be one of its modules.
                inner = [f"{node.module}.{each.name}" for each in node.names]
                names = [node.module, *(each for each in inner if _module(package, each) is not None)]
            waiting += [each for each in names if each.partition(".")[0] == own]
    return sorted(absent)


def _module(package: Path, name: str) -> str | None:
    path = name.replace(".", "/")
    source = _source(package, f"{path}.py")
    return source if source is not None else _source(package, f"{path}/__init__.py")


def _of_layers(assembly: Assembly, stack: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """Say which layer is not Powertools' own, for the function's Python and processor."""
    (architecture,) = properties.get("Architectures") or ["x86_64"]
    runtime = str(properties["Runtime"]).replace(".", "")
    for layer in properties.get("Layers", []):
        arn = str(render(layer, assembly.templates[stack], REFERENCE))
        found = LAYER.search(arn)
        if found is None or found.groups() != (runtime, architecture):
            yield f"its layer {arn} is not Powertools' for {runtime} on {architecture}"
    shared = any(
        name.startswith(variables.SHARED) for name in _inside(properties, "Environment", "Variables")
    )
    if shared and not properties.get("Layers"):
        yield "it is told how to use Powertools, and no layer brings it"


def _endpoints(assembly: Assembly) -> set[Any]:
    return {
        given.get("EndpointName")
        for machine in machines(assembly, REFERENCE)
        for _, action, given in machine.calls()
        if action == "createEndpoint"
    }


def _of_queues(assembly: Assembly) -> Iterator[str]:
    """Lambda refuses a queue that shows a message again before the function can have ended."""
    for stack, name, mapping in assembly.resources("AWS::Lambda::EventSourceMapping"):
        resources = assembly.templates[stack]["Resources"]
        source = mapping["Properties"].get("EventSourceArn")
        queue = resources.get(source["Fn::GetAtt"][0], {}) if isinstance(source, dict) else {}
        function = resources.get((mapping["Properties"].get("FunctionName") or {}).get("Ref"), {})
        if queue.get("Type") == "AWS::SQS::Queue" and function:
            hidden = queue["Properties"].get("VisibilityTimeout", 30)
            timeout = function["Properties"].get("Timeout", 3)
            if isinstance(hidden, int) and isinstance(timeout, int) and hidden < timeout:
                yield f"{stack} {name}: the queue hides a message for {hidden} s, the function takes up to {timeout}"


def _of_imports(assembly: Assembly) -> Iterator[str]:
    exported = {
        json.dumps(output["Export"]["Name"])
        for template in assembly.templates.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    for stack, template in assembly.templates.items():
        for name in sorted({json.dumps(each) for each in _imports(template)} - exported):
            yield f"{stack} imports {name}, which no stack exports"


def _imports(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        if "Fn::ImportValue" in value:
            yield value["Fn::ImportValue"]
        for each in value.values():
            yield from _imports(each)
    elif isinstance(value, list):
        for each in value:
            yield from _imports(each)


def _inside(value: Any, *path: str) -> Any:
    """Return what is at a path, or nothing where there is no such path."""
    for part in path:
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value


def _package(assembly: Assembly, stack: str, key: Any) -> Path | None:
    """Find a function's package among the stack's assets."""
    manifest = json.loads((assembly.folder / f"{stack}.assets.json").read_text(encoding="utf-8"))
    keys = {
        place["objectKey"]: assembly.folder / file["source"]["path"]
        for file in manifest["files"].values()
        for place in file["destinations"].values()
    }
    return keys.get(str(key))


@functools.cache
def _source(package: Path, member: str) -> str | None:
    """Read one file of a package, be it an archive or a folder."""
    if package.is_dir():
        path = package / member
        return path.read_text(encoding="utf-8") if path.is_file() else None
    with zipfile.ZipFile(package) as archive:
        return archive.read(member).decode() if member in archive.namelist() else None
