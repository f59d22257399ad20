"""What a Task gives is held against the service's own model."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.checks import arguments

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
