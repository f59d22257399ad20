"""DynamoDB's expressions are read as DynamoDB reads them."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.checks import conditions

VALUES = {":a": {"S": "a"}, ":b": {"S": "b"}}


@pytest.mark.parametrize(
    "condition",
    [
        "attribute_not_exists(id) OR execution_arn = :a AND NOT (#at < :b)",
        "run BETWEEN :a AND :b AND #at <> :a",
        "run IN (:a, :b) and size(#at) > :b",
        "begins_with(#at, :a) AND contains(pictures[0].name_of, :b)",
        "attribute_type(#at, :a) OR a.b[1] <= :b",
    ],
)
def test_a_sound_condition_is_left_alone(condition: str) -> None:
    names = {"#at": "at"} if "#at" in condition else {}
    given: dict[str, Any] = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": VALUES}
    assert list(conditions.faults({**given, "ConditionExpression": condition})) == []


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("attribute_not_exist(id)", "no function attribute_not_exist"),
        ("Attribute_Exists(id)", "no function Attribute_Exists"),
        ("if_not_exists(id, :a) = :b", "no function if_not_exists"),
        ("attribute_exists(id, :a)", "given 2 operands, and takes 1"),
        ("attribute_exists(status)", "status is a reserved word"),
        ("Status = :a", "Status is a reserved word"),
        ("id = :c", ":c is used, and ExpressionAttributeValues does not say"),
        ("#id = :a", "#id is used, and ExpressionAttributeNames does not say"),
        ("id = :a", ":b is in ExpressionAttributeValues, and nothing uses it"),
        ("id == :a", "where an attribute or a value should be"),
        ("id = :a AND", "its end"),
        ("id", "its end"),
        ("(id = :a", "its end"),
        ("id = :a)", "before ')'"),
        ("id BETWEEN :a, :b", "should be"),
        ("id != :a", "should be"),
    ],
)
def test_what_dynamodb_refuses_is_named(condition: str, said: str) -> None:
    given = {"ConditionExpression": condition, "ExpressionAttributeValues": VALUES}
    assert any(said in each for each in conditions.faults(given))


def test_an_update_has_functions_of_its_own() -> None:
    update = {
        "UpdateExpression": "SET n = if_not_exists(n, :a)",
        "ExpressionAttributeValues": {":a": {"N": "1"}},
    }
    assert list(conditions.faults(update)) == []
    assert list(conditions.faults({**update, "UpdateExpression": "SET n = if_exists(n, :a)"})) != []
