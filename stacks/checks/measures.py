"""How large what AWS limits is, wherever an environment has it: pairs of where and how much."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.longest import export, longest
from stacks.checks.permissions import listed

Measured = Iterator[tuple[str, int]]
Measure = Callable[[Assembly], Measured]


def bodies(assembly: Assembly) -> Measured:
    """Measure the templates as CDK writes them."""
    for stack, template in assembly.templates.items():
        yield stack, len(json.dumps(template, indent=1, ensure_ascii=False).encode())


def section(name: str) -> Measure:
    """Count the entries of a section."""

    def measure(assembly: Assembly) -> Measured:
        for stack, template in assembly.templates.items():
            yield stack, len(template.get(name, {}))

    return measure


def rows(assembly: Assembly) -> Measured:
    """Count the rows of each mapping, and the values of each row."""
    for stack, template in assembly.templates.items():
        for name, mapping in template.get("Mappings", {}).items():
            yield f"{stack} {name}", max([len(mapping), *(len(row) for row in mapping.values())])


def descriptions(assembly: Assembly) -> Measured:
    """Measure the templates' descriptions."""
    for stack, template in assembly.templates.items():
        yield stack, len(template.get("Description", "").encode())


def logical_ids(assembly: Assembly) -> Measured:
    """Measure the names that templates give their parts."""
    for stack, template in assembly.templates.items():
        for part in ("Resources", "Outputs", "Parameters", "Mappings"):
            yield from ((f"{stack} {name}", len(name)) for name in template.get(part, {}))


def document(kind: str, member: str) -> Measure:
    """Measure what a property of a type holds, as compact JSON."""
    return of(kind, member, lambda value: len(_compact(value).encode()))


def entries(kind: str, member: str) -> Measure:
    """Count what a property of a type holds."""
    return of(kind, member, len)


def statements(kind: str) -> Measure:
    """Count a policy's statements."""
    return of(kind, "PolicyDocument", lambda value: len(listed(value["Statement"])))


def actions(kind: str) -> Measure:
    """Count the actions of a policy's longest statement."""
    return of(
        kind,
        "PolicyDocument",
        lambda value: max(len(listed(each.get("Action", []))) for each in listed(value["Statement"])),
    )


def of(kind: str, member: str, size: Callable[[Any], int]) -> Measure:
    """Measure a property of a type, written `Outer.Inner` where it is in another, with its values at their longest."""

    def measure(assembly: Assembly) -> Measured:
        for stack, name, resource in assembly.resources(kind):
            value: Any = resource.get("Properties", {})
            for part in member.split("."):
                value = value.get(part, {})
            if value:
                yield f"{stack} {name}", size(longest(value, assembly, stack))

    return measure


def without_whitespace(value: Any) -> int:
    """Return how many characters IAM counts of a document."""
    return len(re.sub(r"\s", "", _compact(value)))


def inline_policies(assembly: Assembly) -> Measured:
    """Add up each role's inline policies, those attached to it and those of other stacks too."""
    total: Counter[str] = Counter()
    for stack, name, role in assembly.resources("AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", []):
            total[f"{stack} {name}"] += without_whitespace(longest(policy["PolicyDocument"], assembly, stack))
    for kind, attached in (("AWS::IAM::Policy", "Roles"), ("AWS::IAM::RolePolicy", "RoleName")):
        for stack, _, policy in assembly.resources(kind):
            size = without_whitespace(longest(policy["Properties"]["PolicyDocument"], assembly, stack))
            for role in listed(policy["Properties"].get(attached, [])):
                total[_role(role, assembly, stack)] += size
    yield from total.items()


def managed_policies(assembly: Assembly) -> Measured:
    """Count each role's managed policies."""
    total: Counter[str] = Counter()
    for stack, name, role in assembly.resources("AWS::IAM::Role"):
        total[f"{stack} {name}"] += len(role["Properties"].get("ManagedPolicyArns", []))
    for stack, _, policy in assembly.resources("AWS::IAM::ManagedPolicy"):
        for role in policy["Properties"].get("Roles", []):
            total[_role(role, assembly, stack)] += 1
    yield from total.items()


def _role(value: Any, assembly: Assembly, stack: str) -> str:
    if isinstance(value, Mapping) and "Fn::ImportValue" in value:
        exporting, exported = export(value["Fn::ImportValue"], assembly)
        return _role(exported, assembly, exporting)
    return f"{stack} {value['Ref']}" if isinstance(value, Mapping) and "Ref" in value else str(value)


def tags(size: Callable[[Mapping[str, str]], int]) -> Measure:
    """Measure the tags of every resource."""

    def measure(assembly: Assembly) -> Measured:
        for stack, template in assembly.templates.items():
            for name, resource in template["Resources"].items():
                given = longest(resource.get("Properties", {}).get("Tags"), assembly, stack)
                if isinstance(given, list):
                    given = {each["Key"]: each["Value"] for each in given}
                if given:
                    yield f"{stack} {name}", size(given)

    return measure


def definitions(assembly: Assembly) -> Measured:
    """Measure the definitions of state machines."""
    for stack, name, machine in assembly.resources("AWS::StepFunctions::StateMachine"):
        text = longest(machine["Properties"]["DefinitionString"], assembly, stack)
        yield f"{stack} {name}", len(text.encode())


def state_names(assembly: Assembly) -> Measured:
    """Measure the names of states."""
    for stack, _, machine in assembly.resources("AWS::StepFunctions::StateMachine"):
        text = longest(machine["Properties"]["DefinitionString"], assembly, stack)
        yield from ((f"{stack} {name}", len(name)) for name in _states(json.loads(text)))


def _states(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value.get("States", {})
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _states(each)


def packages(assembly: Assembly) -> Measured:
    """Measure the functions' own archives, unpacked."""
    for stack, name, function in assembly.resources("AWS::Lambda::Function"):
        manifest = json.loads((assembly.folder / f"{stack}.assets.json").read_text(encoding="utf-8"))
        key = function["Properties"]["Code"]["S3Key"]
        path = assembly.folder / manifest["files"][key.partition(".")[0]]["source"]["path"]
        if path.is_dir():
            yield f"{stack} {name}", sum(each.stat().st_size for each in path.rglob("*"))
        else:
            with zipfile.ZipFile(path) as archive:
                yield f"{stack} {name}", sum(each.file_size for each in archive.infolist())


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
