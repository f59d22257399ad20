"""Every JSONata expression parses and reads what was assigned before; planted faults are found."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stacks.checks import expressions
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines

Definition = dict[str, Any]


@pytest.fixture(scope="module")
def definitions(assemblies: list[Assembly]) -> list[Definition]:
    """Every definition that is written in JSONata."""
    found = [
        json.loads(machine.definition) for assembly in assemblies for machine in machines(assembly, REFERENCE)
    ]
    return [each for each in found if each.get("QueryLanguage") == "JSONata"]


def test_every_expression_parses_and_reads_what_is_assigned(definitions: list[Definition]) -> None:
    assert [finding for each in definitions for finding in expressions.of_machine(each)] == []
    assert sum(
        1 for each in definitions for state in each["States"].values() for _ in expressions.expressions(state)
    )


def test_generated_faults_are_found(definitions: list[Definition]) -> None:
    faults = [fault for definition in definitions for fault in _faults(definition)]
    escaped = [what for what, mutant in faults if not list(expressions.of_machine(mutant))]
    assert len(faults) >= 200
    assert escaped == []


def _faults(definition: Definition) -> Iterator[tuple[str, Definition]]:
    """Yield the definition with one variable misspelt, one expression cut off, one assignment left out."""
    read = {
        v
        for state in definition["States"].values()
        for e in expressions.expressions(state)
        for v in expressions.variables(e)
    }
    for name, state in definition["States"].items():
        for expression in sorted(set(expressions.expressions(state))):
            yield f"{name}: cut off {expression}", _with(definition, name, expression, expression + " & (")
            for variable in sorted(expressions.variables(expression)):
                wrong = expression.replace(f"${variable}", f"${variable}x")
                yield f"{name}: misspelt {variable}", _with(definition, name, expression, wrong)
        for variable in state.get("Assign", {}):
            mutant = copy.deepcopy(definition)
            del mutant["States"][name]["Assign"][variable]
            # Another way may assign it again before it is read, as a retried lock does its holder.
            if variable in read and name in (
                "Begin",
                "ReadSummary",
                "Train",
                "Package",
                "ReadGate",
            ):
                yield f"{name}: {variable} not assigned", mutant


def _with(definition: Definition, name: str, old: str, new: str) -> Definition:
    text = json.dumps(definition["States"][name])
    quoted, replaced = (json.dumps(each)[1:-1] for each in (old, new))
    return {
        **definition,
        "States": {**definition["States"], name: json.loads(text.replace(quoted, replaced))},
    }


def test_a_state_that_nothing_leads_to_is_named() -> None:
    end = {"Type": "Succeed"}
    definition = {"StartAt": "A", "States": {"A": end, "B": end}}
    assert list(expressions.of_machine(definition)) == ["B is never reached"]


def test_a_way_to_no_state_is_named() -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}}
    assert list(expressions.of_machine(definition)) == ["A leads to Nowhere, which is no state"]
    assert list(expressions.of_machine({**definition, "StartAt": "B", "States": {}})) == [
        "StartAt is B, which is no state"
    ]


def test_a_variable_of_an_expressions_own_is_none_of_the_workflows() -> None:
    expression = "($n := 2; $map($all, function($v, $i) { $v + $n & '$text' }))"
    assert expressions.variables(expression) == {"all"}
