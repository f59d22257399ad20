"""CloudFormation stores an S3 bucket's tags; ministack 1.5.33 drops them.

CDK's auto-delete function refuses to empty a bucket without its tag, so `cdk destroy` fails without this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def apply() -> None:
    """Make creates and updates of a bucket store its tags."""
    from ministack.services import s3  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]

    def storing(handle: Callable[..., tuple[str, Any]], position: int) -> Callable[..., tuple[str, Any]]:
        def handled(*arguments: Any) -> tuple[str, Any]:
            name, attributes = handle(*arguments)
            tags = {tag["Key"]: tag["Value"] for tag in arguments[position].get("Tags", [])}
            if tags:
                s3._bucket_tags[name] = tags
            else:
                s3._bucket_tags.pop(name, None)
            return name, attributes

        return handled

    handlers["create"] = storing(handlers["create"], 1)
    handlers["update"] = storing(handlers["update"], 2)
