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
DETAIL_TYPE = "VehicleClassified"


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

    def put(self, details: Sequence[Mapping[str, Any]]) -> list[int]:
        """Put up to ten events and return the positions of those that were refused."""
        events: EventBridgeClient = self.events or client("events", read_timeout=5)
        try:
            answer = events.put_events(
                Entries=[
                    {
                        "EventBusName": self.name,
                        "Source": SOURCE,
                        "DetailType": DETAIL_TYPE,
                        "Detail": json.dumps(detail, ensure_ascii=False),
                    }
                    for detail in details
                ]
            )
        except (BotoCoreError, ClientError):
            logger().exception("events not put", extra={"count": len(details)})
            return list(range(len(details)))
        refused = {at: entry for at, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")}
        if refused:
            logger().warning("events refused", extra={"refused": list(refused.values())})
        return list(refused)
