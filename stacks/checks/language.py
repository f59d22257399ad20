"""Every state machine follows the Amazon States Language, by npm's asl-validator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stacks.checks.assemblies import ROOT, Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines
from stacks.checks.result import Result

SCRIPT = Path(__file__).with_name("language.cjs")
PACKAGES = ROOT / "node_modules"


def check(assemblies: Sequence[Assembly]) -> Result:
    """Validate every definition."""
    found = [machine for assembly in assemblies for machine in machines(assembly, REFERENCE)]
    errors = validate([json.loads(machine.definition) for machine in found])
    findings = [
        f"{machine.stack} {machine.name}: {error}"
        for machine, own in zip(found, errors, strict=True)
        for error in own
    ]
    return Result("language", "state machines, by asl-validator", len(found), tuple(findings))


def node() -> str:
    """Return the Node.js that has the validator.

    Raises
    ------
    FileNotFoundError
        When one of them is not installed.
    """
    # Node.js comes with the project's packages, beside their Python.
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    found = shutil.which("node", path=beside)
    if found is None or not (PACKAGES / "asl-validator").is_dir():
        raise FileNotFoundError("Node.js or asl-validator is not installed: run `make setup-dev`.")
    return found


def validate(definitions: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return each definition's errors.

    Raises
    ------
    FileNotFoundError
    """
    done = subprocess.run(
        [node(), str(SCRIPT)],
        input="".join(json.dumps(each) + "\n" for each in definitions),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": str(PACKAGES)},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
