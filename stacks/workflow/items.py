"""The state table's items: as DynamoDB writes their values, and the states that put them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.workflow.tasks import seconds


def texts(values: Mapping[str, str]) -> dict[str, tasks.DynamoAttributeValue]:
    """Return attributes of type S."""
    return {name: tasks.DynamoAttributeValue.from_string(value) for name, value in values.items()}


def numbers(values: Mapping[str, str]) -> dict[str, tasks.DynamoAttributeValue]:
    """Return attributes of type N, which travel as text."""
    return {name: tasks.DynamoAttributeValue.number_from_string(value) for name, value in values.items()}


def put(
    scope: Construct,
    name: str,
    table: dynamodb.ITable,
    item: Mapping[str, tasks.DynamoAttributeValue],
    *,
    condition: tuple[str, Mapping[str, str], Mapping[str, str]] | None = None,
    assign: Mapping[str, Any] | None = None,
) -> tasks.DynamoPutItem:
    """
    Make a state that writes an item, still without retries and catches.

    Parameters
    ----------
    condition
        What must hold of the item as it is, the names it uses for attributes, and the texts it compares with.
    """
    when, names, values = condition or (None, {}, {})
    return tasks.DynamoPutItem.jsonata(
        scope,
        name,
        table=table,
        item=item,
        condition_expression=when,
        expression_attribute_names=names or None,
        expression_attribute_values=texts(values) or None,
        assign=assign,
        task_timeout=seconds(30),
    )
