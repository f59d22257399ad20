"""Every newly recorded decision becomes one `VehicleClassified` event, at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lambda_src.adapters.bus import BATCH, Bus
from lambda_src.observability import logger


def plain(value: Mapping[str, Any]) -> Any:
    """Return what one DynamoDB attribute holds, as JSON has it."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        number = Decimal(content)
        return int(number) if number == number.to_integral_value() else float(number)
    if kind == "M":
        return {name: plain(each) for name, each in content.items()}
    if kind == "L":
        return [plain(each) for each in content]
    return None if kind == "NULL" else content


def detail(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's detail for a recorded item; probabilities, a JSON text there, are an object here."""
    found = {name: plain(value) for name, value in image.items()}
    found["probabilities"] = json.loads(found.get("probabilities") or "{}")
    return found


def publish(records: Sequence[Mapping[str, Any]], bus: Bus) -> dict[str, list[dict[str, str]]]:
    """Publish what was inserted, and name the first record that was not published.

    The stream is read again from that record on, and what followed it comes twice: consumers know a
    decision by its `decision_id`.
    """
    inserted: list[tuple[str, dict[str, Any]]] = []
    failed: list[str] = []
    for record in records:
        if record["eventName"] != "INSERT":
            continue  # an outcome is recorded once; later edits are no new decision
        sequence = record["dynamodb"]["SequenceNumber"]
        try:
            inserted.append((sequence, detail(record["dynamodb"]["NewImage"])))
        except (ValueError, ArithmeticError, KeyError, StopIteration, AttributeError):
            logger().exception("item not understood", extra={"sequence_number": sequence})
            failed = [sequence]
            break
    for start in range(0, len(inserted), BATCH):
        batch = inserted[start : start + BATCH]
        if refused := bus.put([fact for _, fact in batch]):
            failed = [batch[min(refused)][0]]
            break
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}
