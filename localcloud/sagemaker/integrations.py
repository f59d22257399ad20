"""Step Functions' integrations with SageMaker: the optimized ones here, `aws-sdk` ones by the mend."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

from localcloud import access
from localcloud.mends import sdk_integrations
from localcloud.sagemaker import api, jobs
from localcloud.sagemaker.store import KINDS, STORE, Record

JOBS = {
    "createTrainingJob": "TrainingJob",
    "createProcessingJob": "ProcessingJob",
    "createTransformJob": "TransformJob",
    "createHyperParameterTuningJob": "HyperParameterTuningJob",
}
OTHERS = ("createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint")
POLL_SECONDS = 0.2
GENERAL_ERROR = "AmazonSageMakerException"
"""Where an `aws-sdk` integration says `SageMakerException`."""


class Arguments(dict[str, Any]):
    """A task's arguments, which remember the execution that they belong to and the task's time-out."""

    execution: str = ""
    seconds: float = float("inf")


def register() -> None:
    """Add the integrations to the emulator's state machines."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    for action in (*JOBS, *OTHERS):
        resource = f"arn:aws:states:::sagemaker:{action}"
        stepfunctions._SERVICE_DISPATCH[resource] = _handler(action, stepfunctions)
    for name in ("_apply_jsonata_arguments", "_apply_parameters"):
        setattr(stepfunctions, name, _remembering(getattr(stepfunctions, name)))


def _remembering(apply: Callable[..., Any]) -> Callable[..., Any]:
    def applying(state: Any, data: Any, ctx: Any = None) -> Any:
        result = apply(state, data, ctx)
        if isinstance(result, dict) and ":sagemaker:" in str(state.get("Resource", "")):
            result = Arguments(result)
            result.execution = (ctx or {}).get("Execution", {}).get("Id", "")
            result.seconds = float(state.get("TimeoutSeconds", "inf"))
        return result

    return applying


def _handler(action: str, stepfunctions: Any) -> Callable[[str, dict[str, Any]], Any]:
    def handling(resource: str, parameters: dict[str, Any]) -> Any:
        answer = sdk_integrations.call("sagemaker", action, dict(parameters), base=GENERAL_ERROR)
        if not resource.endswith(".sync"):
            return answer
        return _wait(JOBS[action], parameters, stepfunctions)

    return handling


def _wait(name: str, parameters: dict[str, Any], stepfunctions: Any) -> Any:
    """Wait for a job to end and return its description; stop it when its execution or its task has ended."""
    kind = KINDS[name]
    record = STORE.get(kind, parameters[kind.key])
    deadline = time.monotonic() + getattr(parameters, "seconds", float("inf"))
    execution = getattr(parameters, "execution", "")
    access.demand(f"sagemaker:Describe{name}", record.arn)
    while record.shown[kind.status] not in jobs.ENDED:
        if time.monotonic() > deadline or (execution and not _runs(stepfunctions, execution)):
            # Whatever the role may, the job goes with the local cloud; on AWS it would run on.
            access.allowed(f"sagemaker:Stop{name}", record.arn)
            jobs.stop(record)
            break
        time.sleep(POLL_SECONDS)
    described = _described(record)
    if record.shown[kind.status] != "Completed":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return described


def _runs(stepfunctions: Any, execution: str) -> bool:
    known = stepfunctions._executions.get(execution)
    # Children of a distributed map are not among the executions; they end with their parent.
    return known is None or known.get("status") == "RUNNING"


def _described(record: Record) -> Any:
    """Describe a job as an optimized integration does: its times are milliseconds since 1970."""

    def encode(value: Any) -> int:
        if isinstance(value, datetime.datetime):
            return int(value.timestamp() * 1000)
        raise TypeError(type(value).__name__)

    shown = api.perform(f"Describe{record.kind.name}", {record.kind.key: record.name})
    return json.loads(json.dumps(shown, default=encode))
