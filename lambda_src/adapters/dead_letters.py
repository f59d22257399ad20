"""What was given up, with why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_src.adapters.clients import client

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

CAUSE_LIMIT = 30_000


@dataclass(frozen=True)
class DeadLetters:
    """Keeps what people must look at.

    Parameters
    ----------
    queue_url
        Where to.
    sqs
        A boto3 client; one is made when it is left out.
    """

    queue_url: str
    sqs: SQSClient | None = None

    def give_up(self, message: str, error: str, cause: str) -> None:
        """Put a message among the dead letters, with why."""
        letter = {"message": message, "error": error, "cause": cause[:CAUSE_LIMIT]}
        sqs: SQSClient = self.sqs or client("sqs", read_timeout=10)
        sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(letter, ensure_ascii=False))
