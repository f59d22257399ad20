"""Faults of the kinds that people make, one at a time, in an otherwise sound deployment.

Names misspelt, members left out, values of another type or outside their range, ways that lead nowhere,
permissions that are missing or too wide: whether or not a check looks for them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.checks import resource_faults, state_faults, template_faults
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines


@dataclass(frozen=True)
class Fault:
    """
    One fault.

    Parameters
    ----------
    kind
        What people would call it.
    where
        The stack, the resource or state, and what in it.
    stack
        The stack that has it.
    template
        That stack's template, with the fault.
    group
        What it is in: `machine`, `policy` or `template`.
    """

    kind: str
    where: str
    stack: str
    template: Mapping[str, Any]
    group: str


def faults(assembly: Assembly) -> Iterator[Fault]:
    """Yield every fault that can be put into an environment."""
    for machine in machines(assembly, REFERENCE):
        for kind, where, definition in state_faults.of_machine(machine):
            replaced = _replaced(assembly, machine, definition)
            yield Fault(kind, f"{machine.stack} {where}", machine.stack, replaced, "machine")
    for stack, template in assembly.templates.items():
        for group, made in (
            ("policy", template_faults.of_policies),
            ("policy", resource_faults.of_policies),
            ("template", template_faults.of_template),
            ("template", resource_faults.of_mixups),
        ):
            for kind, where, change in made(template):
                changed = copy.deepcopy(template)
                change(changed)
                yield Fault(kind, f"{stack} {where}", stack, changed, group)


def _replaced(assembly: Assembly, machine: Machine, definition: Mapping[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = copy.deepcopy(dict(assembly.templates[machine.stack]))
    template["Resources"][machine.name]["Properties"]["DefinitionString"] = json.dumps(definition)
    return template
