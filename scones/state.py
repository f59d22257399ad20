"""Reads the training workflow's state table: the champion, a pause, the history of runs."""

from __future__ import annotations

from typing import Any

from scones.target import Target, output


def table(target: Target) -> str:
    """Return the state table's name."""
    return output(target.outputs(target.stacks[1]), "StateTableName")


def item(target: Target, name: str) -> dict[str, str]:
    """Return an item's attributes as text; none when there is no such item."""
    return item_of(target, table(target), name)


def item_of(target: Target, table_name: str, name: str) -> dict[str, str]:
    """Return the same, of a table whose name is known already."""
    answer = target.clients("dynamodb").get_item(
        TableName=table_name, Key={"id": {"S": name}}, ConsistentRead=True
    )
    return _text(answer.get("Item", {}))


def history(target: Target) -> list[dict[str, str]]:
    """Return how each run ended and why it was started, the latest first."""
    pages = (
        target.clients("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=table(target),
            FilterExpression="begins_with(id, :run)",
            ExpressionAttributeValues={":run": {"S": "run#"}},
            ConsistentRead=True,
        )
    )
    found = [_text(each) for page in pages for each in page["Items"]]
    return sorted(found, key=lambda each: each["id"], reverse=True)


def _text(found: dict[str, Any]) -> dict[str, str]:
    return {key: str(next(iter(value.values()))) for key, value in found.items()}
