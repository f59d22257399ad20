"""The event bus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.clients import client

BATCH = 10
SOURCE = "scones.classification"
DETAIL_TYPE = "VehicleClassified"


@dataclass(frozen=True)
class Bus:
    """Puts events on one bus."""

    name: str
    events: Any = None

    def put(self, details: Sequence[dict[str, Any]]) -> list[int]:
        """Put up to ten events and return the positions of those that were refused."""
        events = self.events or client("events")
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
        return [position for position, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")]
