"""Says as Markdown what differs between two sets of synthesized templates: no account is asked.

`cdk diff --template` compares a synthesized stack with a file, and marks what would be replaced.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = ".template.json"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LONGEST = 60_000
"""Characters of one stack's differences: GitHub takes a mebibyte for a step's summary."""
EMPTY = '{"Resources": {}}'


def stacks(assembly: Path) -> set[str]:
    """Return the names of an assembly's stacks."""
    return {path.name.removesuffix(SUFFIX) for path in assembly.glob(f"*{SUFFIX}")}


def difference(assembly: Path, stack: str, template: Path) -> str:
    """Return what `cdk diff` says of one stack against a template."""
    done = subprocess.run(
        [
            *("node", str(ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"), "diff", stack),
            *(
                "--app",
                str(assembly),
                "--template",
                str(template),
                "--exclusively",
                "--no-change-set",
                "--no-color",
            ),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = ESCAPES.sub("", done.stdout).strip()
    if done.returncode:
        raise RuntimeError(f"cdk diff failed for {stack}: {said}")
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}\n… and {len(said) - LONGEST} characters more"


def main(arguments: Sequence[str]) -> int:
    """Compare the assembly in the first folder with that in the second."""
    head, base = (Path(each).resolve() for each in arguments)
    if not stacks(head):
        sys.stderr.write(
            f"error: there are no templates in {head}: run `make synth` for that environment first.\n"
        )
        return 2
    if not stacks(base):
        print(f"There are no templates in {base}, so all of this is new.\n")
    for stack in sorted(stacks(head) | stacks(base)):
        if stack not in stacks(head):
            print(f"### {stack}: removed\n")
            continue
        template = base / f"{stack}{SUFFIX}"
        with tempfile.TemporaryDirectory() as folder:
            if not template.is_file():
                template = Path(folder) / "empty.json"
                template.write_text(EMPTY)
            said = difference(head, stack, template)
        print(f"### {stack}\n\n```\n{said}\n```\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
