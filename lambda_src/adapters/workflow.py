"""The classification state machine and its dead letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_src.adapters.clients import client
from lambda_src.errors import DispatchError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_stepfunctions import SFNClient

CAUSE_LIMIT = 30_000
READ_SECONDS = 145
"""Longer than an execution may take, shorter than the dispatcher's own time-out."""
CONNECTIONS = 50


@dataclass(frozen=True)
class Workflow:
    """Runs executions to their end.

    Parameters
    ----------
    state_machine_arn, dead_letter_queue_url
        Where to.
    states, sqs
        boto3 clients; they are made when left out.
    """

    state_machine_arn: str
    dead_letter_queue_url: str
    states: SFNClient | None = None
    sqs: SQSClient | None = None

    def run(self, request: Mapping[str, Any]) -> None:
        """Run one execution synchronously.

        Raises
        ------
        DispatchError
            When it did not succeed.
        """
        # One attempt: a second would run beside the first, and the queue tries again anyway.
        states: SFNClient = self.states or client(
            "stepfunctions", read_timeout=READ_SECONDS, attempts=1, connections=CONNECTIONS
        )
        answer = states.start_sync_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(request, ensure_ascii=False)
        )
        if answer["status"] != "SUCCEEDED":
            raise DispatchError(answer.get("error") or answer["status"], answer.get("cause") or "")

    def give_up(self, message: str, error: str, cause: str) -> None:
        """Put a message among the dead letters, with why."""
        letter = {"message": message, "error": error, "cause": cause[:CAUSE_LIMIT]}
        sqs: SQSClient = self.sqs or client("sqs", read_timeout=10)
        sqs.send_message(
            QueueUrl=self.dead_letter_queue_url, MessageBody=json.dumps(letter, ensure_ascii=False)
        )
