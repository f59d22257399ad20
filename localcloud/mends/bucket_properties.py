"""CloudFormation stores an S3 bucket's tags and its default encryption; ministack 1.5.33 drops both.

CDK's auto-delete function refuses to empty a bucket without its tag, so `cdk destroy` fails without this. A
bucket's key is what a caller must be allowed to use (see `localcloud.access`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape


def apply() -> None:
    """Make creates and updates of a bucket store them."""
    from ministack.services import s3  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]

    def keep(store: Any, name: str, value: Any) -> None:
        if value:
            store[name] = value
        else:
            store.pop(name, None)

    def storing(handle: Callable[..., tuple[str, Any]], position: int) -> Callable[..., tuple[str, Any]]:
        def handled(*arguments: Any) -> tuple[str, Any]:
            name, attributes = handle(*arguments)
            properties = arguments[position]
            keep(s3._bucket_tags, name, {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])})
            keep(s3._bucket_encryption, name, _encryption(properties.get("BucketEncryption", {})))
            return name, attributes

        return handled

    handlers["create"] = storing(handlers["create"], 1)
    handlers["update"] = storing(handlers["update"], 2)


def _encryption(properties: dict[str, Any]) -> str:
    """Write the rule as S3 answers with it; nothing for S3's own default."""
    rules = properties.get("ServerSideEncryptionConfiguration", [])
    default = rules[0].get("ServerSideEncryptionByDefault", {}) if rules else {}
    key = default.get("KMSMasterKeyID")
    if not key:
        return ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>'
        "<ApplyServerSideEncryptionByDefault>"
        f"<SSEAlgorithm>{escape(default['SSEAlgorithm'])}</SSEAlgorithm>"
        f"<KMSMasterKeyID>{escape(key)}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>"
        f"<BucketKeyEnabled>{str(rules[0].get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled>"
        "</Rule></ServerSideEncryptionConfiguration>"
    )
