"""A mocked answer per attempt, and no waiting in a mocked run.

Step Functions Local's mock configuration numbers the answers of a state by its attempts, retries included, so
that a task can fail twice and then succeed. ministack 1.5.33 repeats the first answer through all retries,
skips the state's arguments when an answer is mocked, and reads the configuration once, before state machines
have names. A mocked run has no endpoint or job to wait for either.
"""

from __future__ import annotations

import contextvars
import functools
import json
import os
import threading
from pathlib import Path
from typing import Any

VARIABLES = ("SFN_MOCK_CONFIG", "LOCALSTACK_SFN_MOCK_CONFIG")
# Items of a Map run at the same time, and count their attempts together.
_counting = threading.Lock()
# Each execution has a thread of its own, and each item of a Map another, which takes its context over.
_mocked: contextvars.ContextVar[bool] = contextvars.ContextVar("mocked", default=False)
_place: contextvars.ContextVar[tuple[dict[str, Any], str, str]] = contextvars.ContextVar("place")


def apply() -> None:
    """Answer mocked states where their integration would be called."""
    path = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    if path is None:
        return
    from ministack.services import stepfunctions  # noqa: PLC0415

    lookup = stepfunctions._get_mock_response
    # The emulator's own place for them, before arguments are evaluated and without regard to retries.
    stepfunctions._get_mock_response = lambda *_: None
    run, execute = stepfunctions._run_execution, stepfunctions._execute_task
    invoke, invoke_in_time = stepfunctions._invoke_resource, stepfunctions._invoke_resource_with_timeout
    sleep = stepfunctions._scaled_sleep
    read = functools.lru_cache(maxsize=1)(lambda written: json.loads(Path(path).read_text(encoding="utf-8")))

    def running(arn: str) -> None:
        _mocked.set(bool((stepfunctions._executions.get(arn) or {}).get("testCase")))
        run(arn)

    def executing(state: Any, data: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        _place.set((execution, ctx["StateMachine"]["Name"], ctx["State"]["Name"]))
        return execute(state, data, execution, ctx)

    def mocked() -> dict[str, Any] | None:
        if not _mocked.get():
            return None
        execution, machine, state = _place.get()
        stepfunctions._sfn_mock_config = read(Path(path).stat().st_mtime_ns)
        with _counting:
            attempts = execution["mockAttempts"]
            earlier = attempts.get(state, 0)
            attempts[state] = earlier + 1
        found: dict[str, Any] | None = lookup(machine, execution["testCase"], state, earlier)
        return found

    def answer(mock: dict[str, Any]) -> Any:
        if "Throw" in mock:
            raise stepfunctions._ExecutionError(mock["Throw"]["Error"], mock["Throw"].get("Cause", ""))
        return mock.get("Return", {})

    def invoking(resource: str, data: Any) -> Any:
        mock = mocked()
        return invoke(resource, data) if mock is None else answer(mock)

    def invoking_in_time(resource: str, data: Any, timeout: Any) -> Any:
        mock = mocked()
        return invoke_in_time(resource, data, timeout) if mock is None else answer(mock)

    def sleeping(seconds: float) -> None:
        if not _mocked.get():
            sleep(seconds)

    stepfunctions._run_execution = running
    stepfunctions._execute_task = executing
    stepfunctions._invoke_resource = invoking
    stepfunctions._invoke_resource_with_timeout = invoking_in_time
    stepfunctions._scaled_sleep = sleeping
