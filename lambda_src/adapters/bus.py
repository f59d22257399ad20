"""The event bus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambda_src.adapters.clients import client
from lambda_src.observability import logger

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient

BATCH = 10
SOURCE = "scones.classification"


@dataclass(frozen=True)
class Fact:
    """What an event says, and which kind of event says it."""

    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Bus:
    """Puts events on one bus.

    Parameters
    ----------
    name
        The bus.
    events
        A boto3 client; one is made when it is left out.
    """

    name: str
    events: EventBridgeClient | None = None

    def put(self, facts: Sequence[Fact]) -> list[int]:
        """Put up to ten events and return the positions of those that were refused."""
        events: EventBridgeClient = self.events or client("events", read_timeout=5)
        try:
            answer = events.put_events(
                Entries=[
                    {
                        "EventBusName": self.name,
                        "Source": SOURCE,
                        "DetailType": fact.kind,
                        "Detail": json.dumps(fact.detail, ensure_ascii=False),
                    }
                    for fact in facts
                ]
            )
        except (BotoCoreError, ClientError):
            logger().exception("events not put", extra={"count": len(facts)})
            return list(range(len(facts)))
        refused = {at: entry for at, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")}
        if refused:
            logger().warning("events refused", extra={"refused": list(refused.values())})
        return list(refused)
