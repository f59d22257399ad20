"""Step Functions' integrations with SageMaker: the optimized ones here, `aws-sdk` ones by the mend."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from localcloud.mends import sdk_integrations
from localcloud.sagemaker.jobs import ENDED
from localcloud.sagemaker.store import KINDS, STORE

JOBS = {
    "createTrainingJob": "TrainingJob",
    "createProcessingJob": "ProcessingJob",
    "createTransformJob": "TransformJob",
}
OTHERS = ("createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint")


class Arguments(dict[str, Any]):
    """A task's arguments, which remember the execution that they belong to."""

    execution: str = ""


def register() -> None:
    """Add the integrations to the emulator's state machines."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    for action in (*JOBS, *OTHERS):
        stepfunctions._SERVICE_DISPATCH[f"arn:aws:states:::sagemaker:{action}"] = _handler(
            action, stepfunctions
        )
    for name in ("_apply_jsonata_arguments", "_apply_parameters"):
        setattr(stepfunctions, name, _remembering(getattr(stepfunctions, name)))


def _remembering(apply: Callable[..., Any]) -> Callable[..., Any]:
    def applying(state: Any, data: Any, ctx: Any = None) -> Any:
        result = apply(state, data, ctx)
        if isinstance(result, dict) and ":sagemaker:" in str(state.get("Resource", "")):
            result = Arguments(result)
            result.execution = (ctx or {}).get("Execution", {}).get("Id", "")
        return result

    return applying


def _handler(action: str, stepfunctions: Any) -> Callable[[str, dict[str, Any]], Any]:
    def handling(resource: str, parameters: dict[str, Any]) -> Any:
        answer = sdk_integrations.call("sagemaker", action, dict(parameters), prefix="SageMaker")
        if not resource.endswith(".sync"):
            return answer
        return _wait(JOBS[action], parameters, stepfunctions)

    return handling


def _wait(name: str, parameters: dict[str, Any], stepfunctions: Any) -> Any:
    """Wait for a job to end and return its description; stop it when its execution was stopped."""
    kind = KINDS[name]
    record = STORE.get(kind, parameters[kind.key])
    execution = getattr(parameters, "execution", "")
    while record.shown[kind.status] not in ENDED:
        known = stepfunctions._executions.get(execution)
        if execution and (known is None or known.get("status") in ("ABORTED", "TIMED_OUT")):
            record.update(**{kind.status: "Stopping"})
            record.stop.set()
            break
        time.sleep(0.2)
    described = sdk_integrations.call("sagemaker", f"describe{name}", {kind.key: record.name})
    if record.shown[kind.status] != "Completed":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return described
