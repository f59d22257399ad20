"""CloudFormation draws a new name for each table that it makes; ministack 1.5.33 names it by its stack alone.

There a stack that is deployed again takes the place of the table that the one before it left behind (`Retain`), and
what reads the old table's stream goes on in the new stack. The emulator draws names of buckets as AWS does.
"""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Draw what the name is made with, as for a bucket; the record of the resource keeps it for updates."""
    from ministack.core.responses import new_uuid  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create = handlers["create"]

    def creating(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, Any]:
        if not properties.get("TableName") and not provisioners._NAME_SEED.get():
            provisioners._NAME_SEED.set(new_uuid()[:8])
        made: tuple[str, Any] = create(logical_id, properties, stack)
        return made

    handlers["create"] = creating
