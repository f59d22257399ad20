"""Every newly recorded decision becomes one `VehicleClassified` event, at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lambda_src.adapters.bus import BATCH, Bus


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
    """Return an event's detail for a recorded item."""
    found = {name: plain(value) for name, value in image.items()}
    found["probabilities"] = json.loads(found.get("probabilities") or "{}")
    return found


def publish(records: Sequence[Mapping[str, Any]], bus: Bus) -> dict[str, Any]:
    """Publish what was inserted and return from where the stream must be read again."""
    inserted = [
        (record["dynamodb"]["SequenceNumber"], detail(record["dynamodb"]["NewImage"]))
        for record in records
        if record["eventName"] == "INSERT"
    ]
    for start in range(0, len(inserted), BATCH):
        batch = inserted[start : start + BATCH]
        failed = bus.put([fact for _, fact in batch])
        if failed:
            # The stream is read again from the first failure on; what went through comes twice.
            return {"batchItemFailures": [{"itemIdentifier": batch[min(failed)][0]}]}
    return {"batchItemFailures": []}
