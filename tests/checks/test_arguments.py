"""What a Task gives is held against the service's own model."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from stacks.checks import arguments, values
from stacks.checks.model import matches

MODEL = "arn:aws:states:::sagemaker:createModel"
GIVEN = {"ModelName": "a", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/any"}


def _said(resource: str = MODEL, **given: Any) -> list[str]:
    return list(arguments.of_task({"Type": "Task", "Resource": resource, "Arguments": given}))


def test_what_fits_is_left_alone() -> None:
    assert _said(**GIVEN) == []
    assert _said(**{**GIVEN, "ModelName": "{% $name %}"}) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ModelName": "-a"}, "does not match"),
        ({"ModelName": "a b"}, "does not match"),
        ({"ModelName": "a" * 64}, "outside 0…63"),
        ({"ModelName": 1}, "must be a string"),
        ({"ModelName": "{% 1 + 1 %}"}, "must be a string"),
        ({"ModelName": "{% $name }"}, "does not do both"),
        ({"Modelname": "a"}, "unknown to the service"),
        ({"VpcConfig": {"SecurityGroupIds": [], "Subnets": ["subnet-1"]}}, "a list of 0, outside 1…5"),
        ({"Tags": [{"Key": "a"}]}, "Tags[0].Value is missing"),
        ({"ModelName": "a" * 300_000}, "larger than 262144 bytes"),
        # Patterns with classes of characters, which Python's own expressions do not know.
        ({"Tags": [{"Key": "a*b;", "Value": "c"}]}, "Tags[0].Key is 'a*b;' and does not match"),
        ({"Tags": [{"Key": "a", "Value": "x<y>"}]}, "Tags[0].Value is 'x<y>' and does not match"),
        (
            {"PrimaryContainer": {"Environment": {"A-B C": "d"}}},
            "Environment's key is 'A-B C' and does not match",
        ),
        ({"PrimaryContainer": {"Environment": {"A" * 1025: "d"}}}, "outside"),
    ],
)
def test_what_does_not_fit_is_named(wrong: dict[str, Any], said: str) -> None:
    assert any(said in each for each in _said(**{**GIVEN, **wrong}))


def test_what_is_missing_is_named() -> None:
    assert _said() == ["ModelName is missing"]


def test_an_optimized_integration_takes_any_json_where_the_service_takes_text() -> None:
    given = {"QueueUrl": "https://sqs", "MessageBody": {"a": 1}}
    assert _said("arn:aws:states:::sqs:sendMessage", **given) == []
    assert _said("arn:aws:states:::aws-sdk:sqs:sendMessage", **{**given, "QueueUrl": 1}) != []
    assert _said("arn:aws:states:::sqs:sendMessage", QueueUrl="https://sqs") == ["MessageBody is missing"]


def test_every_pattern_of_the_services_that_are_used_can_be_read() -> None:
    session = botocore.session.get_session()
    used = ("sagemaker", "dynamodb", "sns", "sqs", "lambda", "cloudwatch", "stepfunctions", "s3", "firehose")
    patterns = {
        str(model.shape_for(name).metadata["pattern"])
        for model in map(session.get_service_model, (*used, "application-autoscaling"))
        for name in model.shape_names
        if "pattern" in model.shape_for(name).metadata
    }
    assert len(patterns) > 100
    for pattern in patterns:
        matches(pattern, "a")
    assert matches(r"[\p{L}\p{N}]+", "é1")
    assert not matches(r"[\p{L}\p{N}]+", "-")


def _with(assigned: dict[str, Any], resource: str, **given: Any) -> list[str]:
    known = values.assigned([{"Assign": each} for each in (assigned, {})])
    return list(arguments.of_task({"Type": "Task", "Resource": resource, "Arguments": given}, known))


RUN = {"run": "{% $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12) %}"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{% 'scones-' & $run %}", ""),
        ("{% 'scones-' & $version %}", ""),
        ("{% $version %}", ""),
        ("{% 'scones_' & $run %}", "does not match"),
        ("{% 'scones_' & $version %}", "does not match"),
        ("{% 'scones_' & $states.input.name %}", "does not match"),
        ("{% $run & $run & $run & $run & $run & $run %}", "outside 0…63"),
        ("{% $count($version) %}", "gives a number and must be a string"),
        ("{% $count($run) %}", "must be a string"),
        ("{% $substring($run, 'a') %}", "which fails"),
        ("{% $run.name %}", "it gives nothing"),
    ],
)
def test_what_an_expression_gives_is_held_against_the_model(name: str, said: str) -> None:
    found = _with(RUN, MODEL, **{**GIVEN, "ModelName": name})
    assert len(found) == bool(said)
    assert all(said in each for each in found)


PUT = "arn:aws:states:::dynamodb:putItem"


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ({"S": "{% $run %}"}, ""),
        ({"N": "1.5"}, ""),
        ({"N": "{% $string($states.input.n) %}"}, ""),
        ({"N": 1}, "must be a string"),
        ({"N": "{% $states.input.n %}"}, "may be a number"),
        ({"N": "{% $count($run) %}"}, "must be a string"),
        ({"N": "{% $run & 'x' %}"}, "is no number"),
        ("{% $run %}", "must be an object"),
        ("{% $states.input.n %}", "nothing says the type"),
        ({}, "must be of one type and is of 0"),
        ({"S": "a", "N": "1"}, "must be of one type and is of 2"),
    ],
)
def test_an_attribute_is_written_as_dynamodb_wants_it(attribute: Any, said: str) -> None:
    found = _with(RUN, PUT, TableName="table", Item={"id": attribute})
    assert bool(found) is bool(said)
    assert not said or any(said in each for each in found)


def test_a_number_that_is_a_text_is_found_though_only_a_run_knows_it() -> None:
    resource = "arn:aws:states:::sagemaker:createEndpointConfig"
    variant = {"VariantName": "a", "InitialInstanceCount": "{% $string($states.input.n) %}"}
    found = _with({}, resource, EndpointConfigName="a", ProductionVariants=[variant])
    assert any("gives a string and must be a integer" in each for each in found)


def test_fields_of_an_object_are_known_as_far_as_they_are_assigned() -> None:
    decision = {"name": "a_b", "other": "{% $states.input.other %}"}
    assert (
        "does not match"
        in _with({"decision": decision}, MODEL, **{**GIVEN, "ModelName": "{% $decision.name %}"})[0]
    )
    assert _with({"decision": decision}, MODEL, **{**GIVEN, "ModelName": "{% $decision.other %}"}) == []
