"""A deleted function's execution environments end; ministack 1.5.33 keeps them when CloudFormation deletes it."""

from __future__ import annotations

import threading
import time
from typing import Any

_LONGEST = 900.0
"""Seconds that an invocation may go on for."""


def apply() -> None:
    """End a function's processes once CloudFormation has deleted it and what still runs there is through."""
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    delete = handlers["delete"]

    def deleting(physical_id: str, props: dict[str, Any], *rest: Any) -> Any:
        answer = delete(physical_id, props, *rest)
        # An invocation that is under way ends as it would: a custom resource answers before it returns.
        threading.Thread(target=_end_when_idle, args=(physical_id,), daemon=True).start()
        return answer

    handlers["delete"] = deleting


def _end_when_idle(name: str) -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415

    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        with lambda_runtime._lock:
            own = [
                worker
                for key, workers in lambda_runtime._workers.items()
                if key.split(":")[2] == name
                for worker in workers
            ]
        if not any(worker.in_use for worker in own):
            lambda_runtime.invalidate_worker(name)
            return
        time.sleep(0.2)
