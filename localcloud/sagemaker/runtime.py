"""The runtime: InvokeEndpoint."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import unquote

from localcloud.access import AccessDeniedError
from localcloud.sagemaker import authorization, endpoints
from localcloud.sagemaker.errors import SageMakerError

BODY_LIMIT = 6 * 1024 * 1024
PASSING = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id")


def _error(status: int, code: str, **body: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps(body).encode()


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    """Answer one invocation, as the service does for the container's answer."""
    name = unquote(path.split("/")[2])
    if len(body) > BODY_LIMIT:
        return _error(413, "ValidationError", Message=f"Request body is larger than {BODY_LIMIT} bytes.")
    from ministack.core import concurrency  # noqa: PLC0415  # as everywhere: only inside the emulator

    try:
        authorization.check(headers, "InvokeEndpoint", {"EndpointName": name})
    except AccessDeniedError as error:
        return _error(403, "AccessDeniedException", Message=str(error))
    passed = {key: value for key, value in headers.items() if key.lower() in PASSING}
    try:
        answer, variant = await concurrency.run_reentrant(endpoints.invoke, name, body, passed)
    except SageMakerError as error:
        return _error(400, "ValidationError", Message=str(error))
    if not 200 <= answer.status < 300:
        text = answer.body.decode(errors="replace")
        side = "client" if answer.status < 500 else "server"
        return _error(
            424,
            "ModelError",
            Message=f'Received {side} error ({answer.status}) from primary with message "{text}".',
            OriginalStatusCode=answer.status,
            OriginalMessage=text,
            LogStreamArn="",
        )
    kept = {key: value for key, value in answer.headers.items() if key.lower() in PASSING}
    shown = {"x-Amzn-Invoked-Production-Variant": variant, "x-amzn-RequestId": str(uuid.uuid4())}
    return 200, {**kept, **shown}, answer.body
