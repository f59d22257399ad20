"""Decides whether a deployment must train, and how its training ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lambda_src.adapters.training import Training
from lambda_src.errors import TrainingFailedError, TrainingRejectedError

REASON_LIMIT = 900
"""CloudFormation shows about a thousand characters."""


def where_to_start(properties: Mapping[str, Any], champion: Mapping[str, str]) -> str | None:
    """Return the step to start at, or nothing when the champion is what these properties would make."""
    if properties["AtDeploy"] != "true":
        return None
    if champion.get("training_fingerprint") != properties["TrainingFingerprint"]:
        return "stage"
    if champion.get("serving_fingerprint") != properties["ServingFingerprint"]:
        return "package"
    return None


def on_event(event: Mapping[str, Any], prefix: str, training: Training) -> dict[str, Any]:
    """Start the workflow where it must run; nothing here may fail once it has started.

    The physical ID never changes: CloudFormation would delete the "old" resource after an update.
    """
    answer: dict[str, Any] = {"PhysicalResourceId": prefix, "Data": {"ExecutionArn": ""}}
    if event["RequestType"] == "Delete":
        return answer
    properties = event["ResourceProperties"]
    start = where_to_start(properties, training.champion())
    if start is not None:
        seed = "\n".join(
            (event["RequestId"], properties["TrainingFingerprint"], properties["ServingFingerprint"])
        )
        name = f"deploy-{hashlib.sha256(seed.encode()).hexdigest()[:32]}"
        answer["Data"]["ExecutionArn"] = training.start(name, {"start": start, "reason": "deploy"})
    return answer


def is_complete(event: Mapping[str, Any], training: Training) -> dict[str, Any]:
    """Say whether the training of a create or update has ended.

    Raises
    ------
    TrainingFailedError, TrainingRejectedError
        With the reason that a person at the terminal needs.
    """
    execution = event.get("Data", {}).get("ExecutionArn")
    if not execution:
        return {"IsComplete": True}
    described = training.describe(execution)
    status = described["status"]
    if status == "RUNNING":
        return {"IsComplete": False}
    if status != "SUCCEEDED":
        raise TrainingFailedError(reason(described))
    output = json.loads(described.get("output") or "{}")
    if output.get("status") == "rejected" and not training.champion():
        raise TrainingRejectedError(
            f"The model was rejected: {output.get('reason')} (report: {output.get('evaluation_uri')})"[
                :REASON_LIMIT
            ]
        )
    return {"IsComplete": True}


def reason(described: Mapping[str, Any]) -> str:
    """Return why an execution failed: the job's own reason where it has one."""
    cause = described.get("cause") or ""
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = {}
    if isinstance(parsed, dict):
        cause = (
            parsed.get("FailureReason") or parsed.get("ExitMessage") or parsed.get("errorMessage") or cause
        )
    said = cause or described["status"]
    return f"Training failed: {described.get('error') or described['status']}: {said}"[:REASON_LIMIT]
