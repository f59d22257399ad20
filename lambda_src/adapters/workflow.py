"""The classification state machine and its dead letters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.clients import client
from lambda_src.errors import DispatchError

CAUSE_LIMIT = 30_000


@dataclass(frozen=True)
class Workflow:
    """Runs executions to their end."""

    state_machine_arn: str
    dead_letter_queue_url: str
    states: Any = None
    sqs: Any = None

    def run(self, request: dict[str, Any]) -> None:
        """Run one execution synchronously.

        Raises
        ------
        DispatchError
            When it did not succeed; its arguments are the error's name and cause.
        """
        states = self.states or client("stepfunctions", read_timeout=115, attempts=1)
        answer = states.start_sync_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(request, ensure_ascii=False)
        )
        if answer["status"] != "SUCCEEDED":
            raise DispatchError(answer.get("error", answer["status"]), answer.get("cause", ""))

    def give_up(self, message: str, error: str, cause: str) -> None:
        """Put a message among the dead letters, with why."""
        letter = {"message": message, "error": error, "cause": cause[:CAUSE_LIMIT]}
        sqs = self.sqs or client("sqs")
        sqs.send_message(
            QueueUrl=self.dead_letter_queue_url, MessageBody=json.dumps(letter, ensure_ascii=False)
        )
