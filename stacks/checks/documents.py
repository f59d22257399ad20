"""What a state machine reads of a job's file is what the job writes: the file, its folder and its fields."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks import code
from stacks.checks.expressions import missing_of
from stacks.checks.rendering import Machine

_READ = re.compile(r"\$parse\(\$states\.result\.Body\)((?:\.\w+)*)")
BODY = "{% $parse($states.result.Body) %}"


def of_machine(machine: Machine) -> Iterator[tuple[str, list[str]]]:
    """Yield each Task that parses an object of S3, with what it takes that no job of the machine has written."""
    folders = _folders(machine)
    for name, state in machine.tasks():
        assigned = state.get("Assign", {})
        if str(state["Resource"]).endswith(":s3:getObject") and "$parse(" in str(assigned):
            given = state["Arguments"]
            folder, _, file = f"s3://{given['Bucket']}/{written_out(given['Key'])}".rpartition("/")
            yield name, [*_of_file(folders.get(folder, set()), file, _taken(machine, assigned))]


def written_out(value: Any) -> str:
    """Return an expression that joins texts as one text, with what a run puts in between braces."""
    text = str(value)
    if not text.startswith("{%"):
        return text
    parts = [each.strip() for each in text[2:-2].split(" & ")]
    return "".join(each[1:-1] if each.startswith("'") else f"{{{each}}}" for each in parts)


def _folders(machine: Machine) -> Mapping[str, set[str]]:
    """Return the entry points of the machine's jobs by the folders that they fill."""
    folders = defaultdict(set)
    for _, action, given in machine.calls():
        if action == "createProcessingJob":
            for output in given.get("ProcessingOutputConfig", {}).get("Outputs", []):
                script = str(given["AppSpecification"]["ContainerArguments"][0])
                folders[written_out(output["S3Output"]["S3Uri"]).rstrip("/")].add(script)
    return folders


def _taken(machine: Machine, assigned: Mapping[str, Any]) -> set[str]:
    """Return the paths that are taken of a parsed file, there or from a variable that holds it."""
    taken = set(_READ.findall(str(assigned)))
    for variable, value in assigned.items():
        if value == BODY:
            taken |= set(re.findall(rf"\${variable}((?:\.\w+)+)", machine.definition))
    return taken - {""}


def _of_file(scripts: set[str], file: str, taken: set[str]) -> Iterator[str]:
    if not scripts:
        yield f"it reads {file} where no job of its machine writes"
    for script in sorted(scripts):
        files = code.written(script)
        if file not in files:
            yield f"{script} writes no {file}"
            continue
        for path in sorted(taken):
            if files[file] is None:
                yield f"what {script} writes to {file} is not written out, and {path[1:]} is taken of it"
            elif missing := missing_of(path[1:].split("."), files[file]):
                yield f"{script} writes no {missing!r} to {file}, and {path[1:]} is taken of it"
