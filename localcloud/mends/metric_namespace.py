"""IAM knows the namespace that metrics are put into, and policies may ask for it; ministack 1.5.33 does not tell it.

`PutMetricData` has no resource, so the condition `cloudwatch:namespace` is all that can confine it.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
"""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import parse_qs


def apply() -> None:
    """Put the namespace among the condition keys of such a request."""
    from ministack.core import iam_actions  # noqa: PLC0415

    asked = iam_actions.request_tag_context

    def asking(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys: dict[str, Any] = asked(service, action, body, params)
        if action == "cloudwatch:PutMetricData" and (namespace := _namespace(body, params)):
            keys = {**keys, "cloudwatch:namespace": namespace}
        return keys

    iam_actions.request_tag_context = asking


def _namespace(body: bytes, params: dict[str, Any]) -> str:
    """Read it from a request, which clients write as a form or as JSON."""
    # Clients compress what is larger than 10 KiB.
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    if content[:1] == b"{":
        return str(json.loads(content).get("Namespace", ""))
    form = parse_qs(content.decode(errors="replace"))
    return str((form.get("Namespace") or params.get("Namespace") or [""])[0])
