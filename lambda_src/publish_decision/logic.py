"""Every newly recorded decision and every review of one becomes one event, at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lambda_src.adapters.bus import BATCH, Bus, Fact
from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.errors import InvalidEventError, ReviewNotKeptError
from lambda_src.observability import logger
from lambda_src.publish_decision.reviews import Reviews

CLASSIFIED = "VehicleClassified"
REVIEWED = "VehicleReviewed"


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
    """Return an event's detail for a recorded item; what the item holds as text is an object or a truth here."""
    found = {name: plain(value) for name, value in image.items()}
    found["probabilities"] = json.loads(found.get("probabilities") or "{}")
    found["sampled"] = found.get("sampled") == "true"
    return found


def publish(
    records: Sequence[Mapping[str, Any]], bus: Bus, reviews: Reviews, dead_letters: DeadLetters
) -> dict[str, list[dict[str, str]]]:
    """Publish what was inserted or reviewed, and name the first record that was not published.

    The stream is read again from that record on, and what followed it comes twice: consumers know a
    decision and its review by the `decision_id`. An item that is not understood will not be the next time either:
    it is a dead letter, and keeps no other waiting.
    """
    facts: list[tuple[str, Fact]] = []
    failed: list[str] = []
    for record in records:
        sequence = record["dynamodb"]["SequenceNumber"]
        try:
            fact = _fact(record, reviews)
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            KeyError,
            StopIteration,
            AttributeError,
            InvalidEventError,
        ) as error:
            logger().exception("item not understood", extra={"sequence_number": sequence})
            cause = f"The item of the results table is not understood ({error!r})."
            item = json.dumps(record["dynamodb"])
            if dead_letters.give_up(item, type(error).__name__, cause, sequence_number=sequence):
                continue
            failed = [sequence]
            break
        except ReviewNotKeptError:
            logger().exception("review not kept", extra={"sequence_number": sequence})
            failed = [sequence]
            break
        if fact:
            facts.append((sequence, fact))
    for start in range(0, len(facts), BATCH):
        batch = facts[start : start + BATCH]
        if refused := bus.put([fact for _, fact in batch]):
            failed = [batch[min(refused)][0]]
            break
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}


def _fact(record: Mapping[str, Any], reviews: Reviews) -> Fact | None:
    """Return what a record says: a decision when it is new, its review when it has one, else nothing."""
    if record["eventName"] == "INSERT":
        return Fact(CLASSIFIED, detail(record["dynamodb"]["NewImage"]))
    image = record["dynamodb"].get("NewImage", {})
    if record["eventName"] == "MODIFY" and "reviewed_at" in image:
        return Fact(REVIEWED, reviews.keep(detail(image)))
    return None
