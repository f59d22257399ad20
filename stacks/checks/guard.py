"""Control Tower's proactive controls over the templates, by cfn-guard: an engine and rules of AWS's own."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from stacks.checks.assemblies import Assembly, whole
from stacks.checks.guard_reasons import OF_DESTROYED, REASONS
from stacks.checks.reasons import Finding, destroys, explained, judged
from stacks.checks.result import Result

PACKAGE = "cdklabs.cdk-validator-cfnguard"
RULES = "package/rules/control-tower/cfn-guard"
SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
TEMPLATE = ".template.json"
# Any other code means that a rule or a template was left out: the report alone does not say so.
COMPLETE = (0, 19)


class GuardError(Exception):
    """cfn-guard did not apply every rule to every template."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Hold every template against every control; what no reason explains is a finding."""
    found: list[Finding] = []
    count = 0
    for assembly in assemblies:
        own = findings(assembly)
        count += len(own)
        found += [each for each in own if not (destroys(assembly) and explained(each, [OF_DESTROYED]))]
    return Result(
        "cfn-guard",
        "findings of Control Tower's proactive controls, each reasoned",
        count,
        judged(found, REASONS, whole=whole(assemblies)),
    )


def findings(assembly: Assembly) -> list[Finding]:
    """
    Return rule and construct of each finding in an environment's templates.

    Raises
    ------
    GuardError
        When the engine cannot run here, or not over everything.
    """
    data = [str(assembly.folder / f"{stack}{TEMPLATE}") for stack in assembly.templates]
    with _unpacked() as (engine, rules):
        concerning = _concerning(assembly, rules)
        if not concerning:
            return []
        done = subprocess.run(
            [
                *(str(engine), "validate", "--rules", *concerning, "--data", *data),
                *("--structured", "--output-format", "json", "--show-summary", "none"),
            ],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if done.returncode not in COMPLETE:
        raise GuardError(f"cfn-guard ended with {done.returncode} over {assembly.folder}: {done.stderr}")
    found = []
    for report in json.loads(done.stdout):
        stack = Path(report["name"]).name.removesuffix(TEMPLATE)
        for failed in report["not_compliant"]:
            places = _places(failed, stack, assembly.templates[stack]["Resources"])
            found += [(str(failed["Rule"]["name"]), place) for place in places]
    return sorted(found)


def _concerning(assembly: Assembly, rules: Path) -> list[str]:
    """Choose the controls that name a type of the templates: the others take most of the time, to skip all."""
    kinds = {
        f'"{each["Type"]}"'
        for template in assembly.templates.values()
        for each in template["Resources"].values()
    }
    texts = {str(rule): rule.read_text(encoding="utf-8") for rule in sorted(rules.rglob("*.guard"))}
    return [rule for rule, text in texts.items() if any(kind in text for kind in kinds)]


def _places(failed: Any, stack: str, resources: Mapping[str, Any]) -> set[str]:
    """Return the constructs that a failed rule points at, or the stack where it points at none."""
    names = {path.split("/")[2] for path in _paths(failed) if path.startswith("/Resources/")}
    places = {resources[name].get("Metadata", {}).get("aws:cdk:path", f"{stack}/{name}") for name in names}
    return places or {stack}


def _paths(value: Any) -> Iterator[str]:
    """Yield every path in a report, whose form follows how the rule is written."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        for key, each in value.items():
            # Beside a path stands the property as the template has it, with whatever that calls a path.
            if key != "value" or "path" not in value:
                yield from _paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)


@contextlib.contextmanager
def _unpacked() -> Iterator[tuple[Path, Path]]:
    """Unpack the engine and the rules from the package, which has them in an archive for Node.js."""
    system, machine = SYSTEMS.get(platform.system()), MACHINES.get(platform.machine())
    engine = f"package/bin/{system}/{machine}/cfn-guard"
    (packed,) = [each for each in metadata.files(PACKAGE) or [] if each.name.endswith(".jsii.tgz")]
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(str(packed.locate())) as archive:
            wanted = [each for each in archive if each.name == engine or each.name.startswith(f"{RULES}/")]
            # AWS's own package, pinned: no filter is needed, and Python before 3.11.4 has none.
            archive.extractall(folder, wanted)  # noqa: S202
        if not Path(folder, engine).is_file():
            raise GuardError(
                f"{PACKAGE} has no engine for {platform.system()} on {platform.machine()}: "
                f"run the checks on one of {', '.join(SYSTEMS)} with one of {', '.join(MACHINES)}."
            )
        yield Path(folder, engine), Path(folder, RULES)
