"""S3's events on EventBridge carry `version-id` for versioned buckets; ministack 1.5.33 leaves it out."""

from __future__ import annotations

import contextvars
import inspect
import json
from typing import Any

_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("version", default=None)


def apply() -> None:
    """Carry the version from where the event arises to where it is dispatched."""
    from ministack.services import eventbridge, s3  # noqa: PLC0415

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    signature = inspect.signature(fire)

    def firing(*arguments: Any, **options: Any) -> Any:
        bound = signature.bind(*arguments, **options)
        token = _version.set(bound.arguments.get("version_id"))
        try:
            return fire(*arguments, **options)
        finally:
            _version.reset(token)

    def dispatching(event: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        version = _version.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *arguments, **options)

    s3._fire_s3_event = firing
    eventbridge._dispatch_event = dispatching
