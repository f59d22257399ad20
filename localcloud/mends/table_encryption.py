"""CloudFormation stores the key of a DynamoDB table; ministack 1.5.33 drops it when it makes one.

A table's key is what a caller must be allowed to use (see `localcloud.access`).
"""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Make creation store it, as an update does."""
    from ministack.services import dynamodb  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create = handlers["create"]

    def creating(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, Any]:
        name, attributes = create(logical_id, properties, stack)
        described = dynamodb._sse_description_from_spec(_specification(properties))
        dynamodb._tables[name]["SSEDescription"] = described
        return name, attributes

    handlers["create"] = creating


def _specification(properties: dict[str, Any]) -> dict[str, Any] | None:
    """Return CloudFormation's property as the API's: `SSEEnabled` is `Enabled` there."""
    given = properties.get("SSESpecification")
    if not given:
        return None
    # CloudFormation's booleans may be texts.
    return {**given, "Enabled": str(given.get("SSEEnabled", False)).lower() == "true"}
