"""The control plane: one JSON request in, one operation, one JSON answer out."""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from typing import Any

from localcloud.access import AccessDeniedError
from localcloud.sagemaker import authorization, model, operations
from localcloud.sagemaker.errors import SageMakerError

logger = logging.getLogger(__name__)

Answer = tuple[int, dict[str, str], bytes]


def _encode(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)


def answer(status: int, body: dict[str, Any]) -> Answer:
    """Return an HTTP answer in the JSON protocol."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return status, headers, json.dumps(body, default=_encode).encode()


def perform(action: str, request: dict[str, Any]) -> dict[str, Any]:
    """Validate a request, carry it out, and return what the operation's model lets it show.

    Raises
    ------
    SageMakerError
    """
    shape = model.operation(action)
    if shape.input_shape is not None:
        model.validate(request, shape.input_shape)
    shown = operations.call(action, request) or {}
    members = shape.output_shape.members if shape.output_shape is not None else {}
    return {name: value for name, value in shown.items() if name in members and value is not None}


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Answer:
    """Answer one request of the emulator's gateway."""
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        request = json.loads(body or b"{}")
        authorization.check(headers, action, request)
        return answer(200, perform(action, request))
    except AccessDeniedError as error:
        return answer(400, {"__type": "AccessDeniedException", "message": str(error), "Message": str(error)})
    except SageMakerError as error:
        return answer(400, {"__type": error.code, "message": str(error), "Message": str(error)})
    except Exception:
        logger.exception("sagemaker:%s failed", action)
        return answer(500, {"__type": "InternalFailure", "message": f"{action} failed; see the log."})
