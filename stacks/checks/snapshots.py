"""`python -m stacks.checks.snapshots`: write what the templates say, for a pull request to show what changed.

One template serves every partition and region, so a stack has one snapshot per environment. What a partition
decides is in a file of its own: which regions a stack takes there, and what it names there that is AWS's.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aws_cdk.region_info import RegionInfo

from stacks.checks.assemblies import ROOT, Assembly, environments, synthesize
from stacks.checks.readable import Template, named_assets, separated, without_hashes
from stacks.checks.rendering import strings
from stacks.images import MAPPING
from stacks.settings import SettingsError

FOLDER = ROOT / "tests" / "snapshots"
COMMAND = "make snapshots"
PARTITIONS = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1"}
"""Each partition, and a region of it by which CDK knows its domain."""
_HEAD = f"# Written by `{COMMAND}`.\n"
_OF_AWS = re.compile(r"arn:(aws|\$\{AWS::Partition\})|amazonaws\.com|\$\{AWS::URLSuffix\}")


def files(assembly: Assembly) -> dict[str, str]:
    """Return the snapshots of an environment, by path below `tests/snapshots`."""
    found: dict[str, str] = {}
    texts: dict[str, list[str]] = {}
    templates: dict[str, Template] = {}
    for stack, template in assembly.templates.items():
        plain = without_hashes(template, named_assets(assembly.folder, stack))
        templates[stack], machines = separated(plain, stack)
        texts[stack] = sorted(set(strings({"template": templates[stack], **machines})))
        found[f"{assembly.env}/{stack}.yaml"] = _yaml(templates[stack])
        for name, definition in machines.items():
            found[f"{assembly.env}/{name}"] = _json(definition)
    for partition in PARTITIONS:
        there = {stack: _there(partition, templates[stack], texts[stack]) for stack in templates}
        found[f"{assembly.env}/{partition}.yaml"] = _yaml(there)
    return found


def _there(partition: str, template: Template, texts: Sequence[str]) -> dict[str, Any]:
    """Say where in a partition a stack may stand, and what it names there that is no resource of the account."""
    suffix = RegionInfo.get(PARTITIONS[partition]).domain_suffix or ""
    confined = template.get("Mappings", {}).get(MAPPING)
    return {
        "regions": "any"
        if confined is None
        else [each for each in sorted(confined) if RegionInfo.get(each).partition == partition],
        "names": [
            each.replace("${AWS::Partition}", partition).replace("${AWS::URLSuffix}", suffix)
            for each in texts
            if _OF_AWS.search(each) and "${AWS::AccountId}" not in each
        ],
    }


def differences(wanted: Mapping[str, str], folder: Path = FOLDER) -> Iterator[str]:
    """Yield what tells the files in a folder from those wanted: a sentence, or a unified diff."""
    present = _present(folder)
    for path in sorted({*wanted, *present}):
        if path not in present:
            yield f"{path} is missing\n"
        elif path not in wanted:
            yield f"{path} is a snapshot of nothing any more\n"
        elif present[path] != wanted[path]:
            before, after = (text.splitlines(keepends=True) for text in (present[path], wanted[path]))
            names = (f"{path} as committed", f"{path} as synthesized")
            yield "".join(difflib.unified_diff(before, after, *names))


def write(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Make a folder hold the files that are wanted and no others, and return the paths that changed."""
    present = _present(folder)
    for path in present.keys() - wanted.keys():
        (folder / path).unlink()
    changed = [path for path, text in wanted.items() if present.get(path) != text]
    for path in changed:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(wanted[path], encoding="utf-8")
    return sorted({*changed, *(present.keys() - wanted.keys())})


def _present(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def _yaml(value: Any) -> str:
    # Without a width a long text is folded, and one changed word reflows all that follow.
    return _HEAD + yaml.safe_dump(value, sort_keys=True, allow_unicode=True, width=sys.maxsize)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Synthesize every environment and write its snapshots."""
    argparse.ArgumentParser(prog="python -m stacks.checks.snapshots", description=main.__doc__).parse_args(
        list(arguments)
    )
    wanted: dict[str, str] = {}
    try:
        for env in environments():
            wanted |= files(synthesize(env))
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    changed = write(wanted)
    sys.stdout.write("".join(f"{path}\n" for path in changed))
    sys.stdout.write(f"{len(changed)} of {len(wanted)} snapshots changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
