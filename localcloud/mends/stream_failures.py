"""A table's stream is read again from the record that a function names; ministack 1.5.33 takes all for done.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def apply() -> None:
    """Move on to the first record that failed, and have the rest tried again as after an error."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    execute = lambda_svc._execute_function

    def executing(function: dict[str, Any], event: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute(function, event)
        records = event.get("Records") if isinstance(event, dict) else None
        if result.get("error") or not records or records[0].get("eventSource") != "aws:dynamodb":
            return result
        mapping = _mapping(function, records[0]["eventSourceARN"])
        if mapping is None or (failed := _failed(result.get("body"))) is None:
            return result
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        # A name that is none of theirs fails the whole batch.
        first = min((numbers.index(each) if each in numbers else 0) for each in failed)
        with lambda_svc._dynamodb_stream_positions_lock:
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] += first
        return {**result, "error": True}

    lambda_svc._execute_function = executing


def _mapping(function: Mapping[str, Any], stream: str) -> dict[str, Any] | None:
    from ministack.services import lambda_svc  # noqa: PLC0415

    name = (function.get("config") or function)["FunctionName"]
    for mapping in lambda_svc._esms.values():
        if (
            mapping["EventSourceArn"] == stream
            and mapping["FunctionName"] == name
            and "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
        ):
            return dict(mapping)
    return None


def _failed(body: Any) -> list[str] | None:
    """Return the records that an answer names; nothing where it names none."""
    try:
        answer = json.loads(body) if isinstance(body, str | bytes) else body
        return [str(each["itemIdentifier"]) for each in answer["batchItemFailures"]] or None
    except (ValueError, TypeError, KeyError):
        return None
