"""Watches the training that a deployment starts, while the CDK CLI waits for it."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from botocore.exceptions import BotoCoreError, ClientError

from scones.demo.voice import Voice
from scones.target import Target
from scones.workflow import End, Follower, LogLine

POLL_SECONDS = 1.5
PROGRESS = re.compile(r"\bepoch\b|accuracy", re.IGNORECASE)
EVALUATION = {
    "evaluation.json": "evaluation.json",
    "report.html": "evaluation.html",
    "model_card.md": "model_card.md",
}
"""What a run's evaluation consists of, and what each is called beside the demo's own report."""
ASIDE = re.compile(r"^set aside |\brejected=[1-9]")
"""What staging says of files that it leaves out, and of how many they are."""
WAITER = re.compile("waiterstatemachine", re.IGNORECASE)
"""The custom resource framework's own state machine, which only waits."""


class TrainingWatch:
    """A thread that finds the workflow's execution, tells its progress, and keeps its end.

    Parameters
    ----------
    target
        The deployment.
    voice
        Where progress is told.
    keep
        Folder that the evaluation report and the job logs are written to, because a deployment that fails
        takes them back.
    """

    def __init__(self, target: Target, voice: Voice, keep: Path) -> None:
        self.end: End | None = None
        self.execution: str | None = None
        self._target, self._voice, self._keep = target, voice, keep
        self._since = datetime.now(UTC) - timedelta(seconds=5)
        self._stop = threading.Event()
        # Made here, because boto3 makes clients in one thread only.
        for service in ("cloudformation", "stepfunctions", "logs", "s3"):
            target.clients(service)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> TrainingWatch:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        follower: Follower | None = None
        while not self._stop.is_set() and self.end is None:
            try:
                if follower is None:
                    self.execution = self._find()
                    if self.execution is not None:
                        follower = Follower(self._target.clients, self._target.prefix, self.execution)
                if follower is not None:
                    self._tell(follower)
            except (BotoCoreError, ClientError):
                pass  # what is watched is being made or removed at this moment; the next look tells
            self._stop.wait(POLL_SECONDS)

    def _tell(self, follower: Follower) -> None:
        end = follower.end()
        for news in follower.news():
            if not isinstance(news, LogLine):
                if not news.ended:
                    self._voice.now(f"training workflow: {news.name}")
                continue
            with (self._keep / f"{news.job}.log").open("a", encoding="utf-8") as log:
                log.write(news.text + "\n")
            if news.job == "stage" and ASIDE.search(news.text):
                self._voice.detail(f"stage: {news.text.strip().rstrip(';')}")
            if news.job == "train" and PROGRESS.search(news.text):
                self._voice.detail(f"train: {news.text.strip().rstrip(';')}")
        if end is not None:
            self._save_evaluation(end.output)
            self.end = end
            self._voice.detail(f"training workflow: {end.status} after {end.seconds:.0f} s")

    def _find(self) -> str | None:
        stack = self._target.stacks[1]
        resources = self._target.clients("cloudformation").describe_stack_resources(StackName=stack)
        for resource in resources["StackResources"]:
            if resource["ResourceType"] != "AWS::StepFunctions::StateMachine":
                continue
            machine = resource.get("PhysicalResourceId")
            if not machine or WAITER.search(resource["LogicalResourceId"]):
                continue
            found = self._target.clients("stepfunctions").list_executions(stateMachineArn=machine)
            recent = [each for each in found["executions"] if each["startDate"] >= self._since]
            if recent:
                arn: str = max(recent, key=lambda each: each["startDate"])["executionArn"]
                return arn
        return None

    def _save_evaluation(self, output: dict[str, Any]) -> None:
        if not output.get("evaluation_uri"):
            return
        uri = urlparse(str(output["evaluation_uri"]))
        folder = uri.path.lstrip("/").rpartition("/")[0]
        for name, kept in EVALUATION.items():
            answer = self._target.clients("s3").get_object(Bucket=uri.netloc, Key=f"{folder}/{name}")
            (self._keep / kept).write_bytes(answer["Body"].read())
