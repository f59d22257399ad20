"""Lambda names a failed invocation after the exception's class; ministack 1.5.33 says Runtime.HandlerError.

Step Functions' Retry and Catch match that name, so they would match nothing.
"""

from __future__ import annotations

from typing import Any

_SAID = '"error": str(e), "trace"'


class _Named(str):
    """An error message that remembers the class of its exception."""

    error_type: str = ""


def apply() -> None:
    """Carry the exception's class from the worker process to the invocation's answer."""
    from ministack.core import lambda_runtime  # noqa: PLC0415
    from ministack.services import lambda_svc  # noqa: PLC0415

    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_SAID) != 1:
        raise RuntimeError("ministack's Python worker changed: look at localcloud/mends/lambda_errors.py")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(
        _SAID, '"error": str(e), "error_type": type(e).__name__, "trace"'
    )
    invoke = lambda_runtime.Worker.invoke
    execute = lambda_svc._execute_function_with_config_scope

    def invoking(self: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = invoke(self, *arguments, **options)
        if answer.get("error_type"):
            message = _Named(answer["error"])
            message.error_type = answer["error_type"]
            answer["error"] = message
        return answer

    def executing(*arguments: Any, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = execute(*arguments, **options)
        body = answer.get("body")
        if answer.get("error") and isinstance(body, dict) and isinstance(body.get("errorMessage"), _Named):
            body["errorType"] = body["errorMessage"].error_type
            body["errorMessage"] = str(body["errorMessage"])
        return answer

    lambda_runtime.Worker.invoke = invoking
    lambda_svc._execute_function_with_config_scope = executing
