"""Lambda writes logs under the function's role; ministack 1.5.33 writes them when both are gone.

A custom resource's function answers CloudFormation before it returns. The stack is deleted meanwhile, and
the invocation's log lines would make a new log group that nothing deletes.
"""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Drop the lines of functions that were deleted."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    emit = lambda_svc._emit_lambda_logs

    def emitting(function: dict[str, Any], *arguments: Any, **options: Any) -> None:
        config = function.get("config") or function
        if config.get("FunctionName") in lambda_svc._functions:
            emit(function, *arguments, **options)

    lambda_svc._emit_lambda_logs = emitting
