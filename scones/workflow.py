"""Follows one execution of the training workflow: its steps, its jobs' logs, its end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambda_src.naming import REASONS, search_prefix
from scones.target import Clients

LOG_GROUPS = {
    "stage": "/aws/sagemaker/ProcessingJobs",
    "train": "/aws/sagemaker/TrainingJobs",
    "eval": "/aws/sagemaker/ProcessingJobs",
}
RUNNING = "RUNNING"
IN_WORDS = {
    "MaxRuntimeExceeded": "A training job ran for as long as it may: raise `max_runtime_minutes` of the classifier's "
    "`training`, or take fewer epochs, folds or pictures.",
    "MaxWaitTimeExceeded": "A training job waited too long for spot instances: try again later, or set `spot = false`.",
    "Stopped": "A training job was stopped.",
}
"""Secondary statuses of training jobs that have no other reason."""


def run_of(execution_arn: str) -> str:
    """Return the run's id, which the names of its jobs carry."""
    return hashlib.sha256(execution_arn.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Step:
    """A state of the workflow began or ended."""

    name: str
    ended: bool


@dataclass(frozen=True)
class LogLine:
    """A job said something; `job` is the step of the workflow."""

    job: str
    text: str


@dataclass(frozen=True)
class End:
    """How an execution ended.

    Attributes
    ----------
    status
        `promoted`, `shadowing`, `rejected`, `unchanged`, `paused`, `resumed`, `settled`, or `failed`.
    reason
        One sentence; for a failure, the job's own.
    output
        The workflow's output.
    seconds
        How long it took.
    error
        The name of the error that it failed with.
    """

    status: str
    reason: str
    output: dict[str, Any]
    seconds: float
    error: str = ""


@dataclass
class Follower:
    """Reads what is new about an execution, each time it is asked."""

    clients: Clients
    prefix: str
    execution_arn: str
    _last_event: int = 0
    _log_tokens: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def news(self) -> list[Step | LogLine]:
        """Return the steps and the log lines since the last call."""
        return [*self._steps(), *self._lines()]

    def end(self) -> End | None:
        """Return how the execution ended, if it did."""
        found = self.clients("stepfunctions").describe_execution(executionArn=self.execution_arn)
        if found["status"] == RUNNING:
            return None
        seconds = (_time(found["stopDate"]) - _time(found["startDate"])).total_seconds()
        output = json.loads(found.get("output") or "{}")
        if found["status"] == "SUCCEEDED":
            if "status" not in output:
                return End("failed", "The workflow ended without an outcome.", output, seconds)
            return End(str(output["status"]), str(output.get("reason", "")), output, seconds)
        error, cause = found.get("error") or found["status"], found.get("cause") or ""
        status = "rejected" if "rejected" in error.lower() else "failed"
        return End(status, explain(error, cause), output, seconds, error)

    def _steps(self) -> list[Step]:
        states = self.clients("stepfunctions")
        steps: list[tuple[int, Step]] = []
        parameters: dict[str, Any] = {"executionArn": self.execution_arn, "reverseOrder": True}
        latest = self._last_event
        while True:
            page = states.get_execution_history(**parameters)
            for event in page["events"]:
                latest = max(latest, event["id"])
                if event["id"] <= self._last_event:
                    continue
                for details, ended in (
                    ("stateEnteredEventDetails", False),
                    ("stateExitedEventDetails", True),
                ):
                    if details in event:
                        steps.append((event["id"], Step(event[details]["name"], ended)))
            older = any(event["id"] <= self._last_event for event in page["events"])
            if older or not page.get("nextToken"):
                break
            parameters["nextToken"] = page["nextToken"]
        self._last_event = latest
        return [step for _, step in sorted(steps, key=lambda each: each[0])]

    def _lines(self) -> list[LogLine]:
        logs = self.clients("logs")
        found: list[LogLine] = []
        run = run_of(self.execution_arn)
        begins = [(job, group, f"{self.prefix}-{job}-{run}") for job, group in LOG_GROUPS.items()]
        begins.append(("train", LOG_GROUPS["train"], f"{search_prefix(self.prefix)}-{run}"))
        for job, group, prefix in begins:
            try:
                answer = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
            except logs.exceptions.ResourceNotFoundException:
                continue
            for stream in sorted(each["logStreamName"] for each in answer["logStreams"]):
                found += [LogLine(job, text) for text in self._read(group, stream)]
        return found

    def _read(self, group: str, stream: str) -> list[str]:
        texts: list[str] = []
        while True:
            token = self._log_tokens.get((group, stream))
            page = self.clients("logs").get_log_events(
                logGroupName=group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            texts += [event["message"].rstrip("\n") for event in page["events"]]
            self._log_tokens[group, stream] = page["nextForwardToken"]
            if not page["events"] or page["nextForwardToken"] == token:
                return texts


def explain(error: str, cause: str) -> str:
    """Return why a workflow failed: the reason a job gave, where its description is in the cause."""
    try:
        described = json.loads(cause)
    except ValueError:
        return cause.strip() or error
    return _reason(described) or (cause if isinstance(described, str) else f"{error}: {cause}")


def _reason(described: object) -> str | None:
    if isinstance(described, str):
        try:
            return _reason(json.loads(described)) or described
        except ValueError:
            return described
    if not isinstance(described, dict):
        return None
    for key in (*REASONS, "reason", "Cause", "cause"):
        if described.get(key) and (found := _reason(described[key])):
            return IN_WORDS.get(found, found.strip())
    return None


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
