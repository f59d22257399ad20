"""An execution ends when its state machine's `TimeoutSeconds` are over, and stays as it ended.

ministack 1.5.33 ignores the machine's own time-out, and an execution that was stopped becomes a failed one when
the task that it was in fails later.
"""

from __future__ import annotations

import contextvars
import json
import threading
from typing import Any


def apply() -> None:
    """Set a timer beside each execution of a machine that has a time-out."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    run, fail = stepfunctions._run_execution, stepfunctions._fail_execution

    def expire(execution: dict[str, Any]) -> None:
        if execution["status"] != "RUNNING":
            return
        execution.update(status="TIMED_OUT", error="States.Timeout", stopDate=stepfunctions.now_iso())
        stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        stepfunctions._emit_execution_status_event(execution)

    def running(arn: str) -> None:
        execution = stepfunctions._executions.get(arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
        seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        if not seconds:
            run(arn)
            return
        # The emulator keeps accounts apart by context, which a new thread would lack.
        context = contextvars.copy_context()
        timer = threading.Timer(seconds, context.run, (expire, execution))
        timer.daemon = True
        timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    def failing(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    stepfunctions._run_execution = running
    stepfunctions._fail_execution = failing
