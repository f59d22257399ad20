"""What an expression reads is there: it parses, its variables are assigned, its fields exist."""

from __future__ import annotations

import pytest

from stacks.checks import dialect, expressions


def _of_result(expression: str, resource: str = "arn:aws:states:::dynamodb:getItem") -> list[str]:
    state = {"Type": "Task", "Resource": resource, "Output": "{% " + expression + " %}", "End": True}
    return list(expressions.of_machine({"StartAt": "A", "States": {"A": state}}))


@pytest.mark.parametrize(
    ("expression", "missing"),
    [
        ("$states.result.Item.id.S", ""),
        ("$states.result.Itm.id.S", "Itm"),
        ("$states.context.Execution.Id", ""),
        ("$states.context.Execution.ID", "ID"),
        ("$states.reslt.Item", "reslt"),
        ("$states.errorOutput.Error", "errorOutput"),
        ("'$states.nothing'", ""),
    ],
)
def test_a_field_of_states_that_is_not_there_is_named(expression: str, missing: str) -> None:
    said = _of_result(expression)
    assert [each.rpartition(" ")[2] for each in said] == ([missing] if missing else [])


def test_a_job_that_is_waited_for_answers_with_its_description() -> None:
    resource = "arn:aws:states:::sagemaker:createTrainingJob"
    described = "$states.result.ModelArtifacts.S3ModelArtifacts"
    assert _of_result(described, resource + ".sync") == []
    assert _of_result(described, resource) != []


def test_what_does_not_parse_and_what_is_not_assigned_is_named() -> None:
    assert any("does not parse" in each for each in _of_result("1 + ("))
    assert _of_result("$held") == ["A: $held is not assigned on every way there"]


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [("answer", 0), ("größe2", 0), ("a-b", 1), ("1st", 1), ("_own", 1), ("states", 1), ("v" * 81, 1)],
)
def test_a_variable_whose_name_is_refused_is_found(variable: str, wrong: int) -> None:
    state = {"Type": "Pass", "Assign": {variable: 1}, "End": True}
    found = list(expressions.of_machine({"StartAt": "A", "States": {"A": state}}))
    assert len(found) == wrong
    assert all("is no name of a variable" in each for each in found)


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


def test_a_field_that_an_assigned_object_lacks_is_named() -> None:
    def said(expression: str, given: object) -> list[str]:
        states = {
            "A": {"Type": "Pass", "Assign": {"champion": given}, "Next": "B"},
            "B": {"Type": "Pass", "Output": "{% " + expression + " %}", "End": True},
        }
        return list(expressions.of_machine({"StartAt": "A", "States": states}))

    assert said("$champion.model", {"model": "m"}) == []
    assert said("$champion.modle", {"model": "m"}) == ["B: $champion is assigned without modle"]
    assert said("$champion.modle", "{% $states.input %}") == []


@pytest.mark.parametrize(
    ("assigned", "output", "said"),
    [
        ("mine", "$mine & $around", []),
        ("mine", "$mine & $later", ["In: $later is not assigned on every way there"]),
        ("mine", "$yours", ["In: $yours is not assigned on every way there"]),
        ("around", "'a'", ["Each: $around is assigned within it and around it"]),
        ("later", "'a'", ["Each: $later is assigned within it and around it"]),
    ],
)
def test_what_runs_for_each_item_has_what_is_assigned_before_it(
    assigned: str, output: str, said: list[str]
) -> None:
    part = {
        "StartAt": "Begin",
        "States": {
            "Begin": {"Type": "Pass", "Assign": {assigned: 1}, "Next": "In"},
            "In": {"Type": "Succeed", "Output": "{% " + output + " %}"},
        },
    }
    states = {
        "A": {"Type": "Pass", "Assign": {"around": "a"}, "Next": "Each"},
        "Each": {"Type": "Map", "ItemProcessor": part, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"later": "b"}, "End": True},
    }
    assert list(expressions.of_machine({"StartAt": "A", "States": states})) == said


@pytest.mark.parametrize(
    "expression",
    [
        "$substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12)",
        "($f := function($v) { $v & 'x' }; $map($states.input, $f))",
        "$states.result.TagSet[$not(Key in ['a'])]",
        "$states.input.names.$uppercase()",
        "$states.input ~> $string()",
        "$sort($states.input, function($l, $r) { $l.n > $r.n })",
        "[1..3]^(<n)",
    ],
)
def test_what_step_functions_has_is_left_alone(expression: str) -> None:
    assert list(dialect.faults(expression)) == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("$eval('1')", "no function $eval, but $parse"),
        ("$parce($states.input)", "no function $parce"),
        ("$substring()", "$substring is given 0 arguments, and takes 2 to 3"),
        ("$uuid(1)", "$uuid is given 1 arguments, and takes 0"),
        ("$hash($states.input, 'SHA256')", "no SHA256"),
        ("$map($states.input, function($v) { $strin($v) })", "no function $strin"),
        ("input.name", "input is read of nothing"),
        ("$.name", "$ is nothing in Step Functions"),
    ],
)
def test_what_step_functions_has_not_is_named(expression: str, said: str) -> None:
    assert any(said in each for each in dialect.faults(expression))
    assert any(said in each for each in _of_result(expression))


@pytest.mark.parametrize(
    ("condition", "sound"),
    [
        ("{% $states.input.wanted %}", True),
        ("{% $states.input.n > 1 and $exists($states.input.m) %}", True),
        ("{% $states.input.n ? true : false %}", True),
        (True, True),
        ("{% 'RUNNING' %}", False),
        ("{% $count($states.input) %}", False),
        ("{% $states.input.a & 'b' %}", False),
        ("{% $states.input.n ? 'yes' : 'no' %}", False),
        ("true", False),
    ],
)
def test_a_condition_can_be_true_or_false(condition: object, sound: bool) -> None:
    choice = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "B"}], "Default": "B"}
    machine = {"StartAt": "A", "States": {"A": choice, "B": {"Type": "Succeed"}}}
    said = [each for each in expressions.of_machine(machine) if "true" in each and "false" in each]
    assert bool(said) is not sound
