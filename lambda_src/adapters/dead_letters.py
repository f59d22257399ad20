"""What was given up, with why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_src.adapters.clients import client
from lambda_src.observability import logger

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

    def give_up(self, message: str, error: str, cause: str, **where: str) -> bool:
        """Put a message among the dead letters, with why, and say whether that went well; `where` is for the log."""
        letter = {"message": message, "error": error, "cause": cause[:CAUSE_LIMIT]}
        try:
            sqs: SQSClient = self.sqs or client("sqs", read_timeout=10)
            sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(letter, ensure_ascii=False))
        except Exception:  # whoever gave the message has it still, and brings it again
            logger().exception("dead letter not sent", extra=where)
            return False
        return True
