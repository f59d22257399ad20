"""What people answer: messages from the review queue, each deleted only after its answer is stored."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from scones.errors import ReviewError
from scones.files import SUFFIXES
from scones.target import Target, output

NONE = "none"
"""The answer to a picture that shows nothing of any class."""
HIDDEN_SECONDS = 900
"""How long a message stays with whoever has it: a person may be called away."""
POLL_SECONDS = 20
"""The longest that SQS lets a receiver wait."""
PATIENCE_SECONDS = 10.0
"""Without a new message for so long, nothing waits any more."""


@dataclass(frozen=True)
class Waiting:
    """A decision that waits for a person.

    Attributes
    ----------
    receipt
        Names the message to SQS.
    object, version_id, decision_id
        What was decided.
    predicted, confidence, probabilities
        What the model said.
    outcome
        `review` when the model was unsure, `routed` when the picture is in the sample of sure answers.
    since
        When it was decided.
    """

    receipt: str
    object: str
    version_id: str
    decision_id: str
    predicted: str
    confidence: float
    probabilities: Mapping[str, float]
    outcome: str
    since: datetime

    @property
    def classes(self) -> tuple[str, ...]:
        """The model's classes, in its order."""
        return tuple(self.probabilities)

    @property
    def why(self) -> str:
        """Why it is here, in words."""
        return "the model is unsure" if self.outcome == "review" else "a sample of the sure answers"


@dataclass(frozen=True)
class Answered:
    """Who has answered, what and when; `mine` when it was this answer that was stored."""

    said: str
    by: str
    at: str
    mine: bool


@dataclass
class ReviewQueue:
    """The review queue of one deployment, and the table that holds the answers.

    Used as a context: what was received and not answered goes back to the queue at its end, whatever ends it.
    """

    target: Target
    _held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        outputs = self.target.outputs(self.target.stacks[2])
        self._url, self._table = output(outputs, "ReviewQueueUrl"), output(outputs, "ResultsTableName")
        self._sqs, self._dynamodb = self.target.clients("sqs"), self.target.clients("dynamodb")

    def __enter__(self) -> ReviewQueue:
        return self

    def __exit__(self, *_: object) -> None:
        for receipt in self._held:
            with suppress(ClientError):  # what somebody has for too long is back already
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0
                )

    def depth(self) -> tuple[int, int]:
        """Return about how many wait, and about how many somebody has."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(names))["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def waiting(self) -> Iterator[Waiting | ReviewError]:
        """Yield what waits, one at a time, until nothing comes any more.

        A message that is not understood comes as the error that says so, and stays in the queue.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=min(POLL_SECONDS, max(1, round(left))),
            )
            for message in answer.get("Messages", []):
                receipt = message["ReceiptHandle"]
                self._held.add(receipt)
                try:
                    yield understood(receipt, message["Body"])
                except ReviewError as error:
                    yield error
                deadline = time.monotonic() + PATIENCE_SECONDS

    def decisions_on(self, name: str) -> list[str]:
        """Return the ids of the decisions on an object: one for each of its versions."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": name}},
            ProjectionExpression="decision_id",
            ConsistentRead=True,
        )
        return sorted(each["decision_id"]["S"] for page in pages for each in page["Items"])

    def answer(self, waiting: Waiting, said: str, by: str) -> Answered:
        """Store an answer if there is none, then delete the message; return the answer that stands.

        Raises
        ------
        ReviewError
            When the class is none of the model's, or the decision is not in the table.
        """
        if said not in (*waiting.classes, NONE):
            raise ReviewError(
                f"{said!r} is no class of {waiting.object}: answer {', '.join(waiting.classes)} or {NONE}."
            )
        stands = self._store(waiting, said, by)
        try:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=waiting.receipt)
        except ClientError as error:
            # It was out for too long, and somebody else may have deleted it; where not, it comes again.
            if error.response["Error"]["Code"] != "ReceiptHandleIsInvalid":
                raise
        self._held.discard(waiting.receipt)
        return stands

    def _store(self, waiting: Waiting, said: str, by: str) -> Answered:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        key = {"object": {"S": waiting.object}, "version_id": {"S": waiting.version_id}}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET reviewed_class = :said, reviewed_by = :by, reviewed_at = :at",
                ConditionExpression="attribute_exists(#object) AND attribute_not_exists(reviewed_at)",
                ExpressionAttributeNames={"#object": "object"},
                ExpressionAttributeValues={":said": {"S": said}, ":by": {"S": by}, ":at": {"S": at}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
            if not item or "reviewed_at" not in item:
                raise ReviewError(
                    f"The decision on {waiting.object} is not in the results table {self._table}, so it takes no "
                    "answer: purge the review queue if the table was emptied."
                ) from error
            said, by, at = (item[f"reviewed_{name}"]["S"] for name in ("class", "by", "at"))
            return Answered(said, by, at, mine=False)
        return Answered(said, by, at, mine=True)

    def picture(self, waiting: Waiting) -> tuple[str, bytes]:
        """Return a file name for the picture, and its bytes.

        Raises
        ------
        ReviewError
            When it cannot be had.
        """
        bucket, _, key = waiting.object.removeprefix("s3://").partition("/")
        try:
            found = self.target.clients("s3").get_object(Bucket=bucket, Key=key, VersionId=waiting.version_id)
        except ClientError as error:
            raise ReviewError(
                f"The picture cannot be fetched ({error.response['Error']['Code']}): answer {NONE} if it was deleted."
            ) from error
        suffix = PurePosixPath(key).suffix.lower()
        return waiting.decision_id + (suffix if suffix in SUFFIXES else ""), found["Body"].read()


def who(given: str | None) -> str:
    """Return the name that answers are stored under: the one given, or the login.

    Raises
    ------
    ReviewError
    """
    if given is not None and not given.strip():
        raise ReviewError("The name given with --as is empty: say who answers.")
    if given is not None and not given.isprintable():
        raise ReviewError(
            f"The name {given!r} given with --as holds what cannot be printed: say who answers."
        )
    try:
        return given.strip() if given else getpass.getuser()
    except (OSError, KeyError) as error:
        raise ReviewError("Nobody is logged in here: say who answers with --as NAME.") from error


def understood(receipt: str, body: str) -> Waiting:
    """Read a message of the review queue.

    Raises
    ------
    ReviewError
    """
    try:
        decision: dict[str, Any] = json.loads(body)["decision"]
        return Waiting(
            receipt=receipt,
            **{name: str(decision[name]) for name in ("object", "version_id", "decision_id", "outcome")},
            predicted=str(decision["class"]),
            confidence=float(decision["confidence"]),
            # A stranger's may name no zone.
            since=datetime.fromisoformat(decision["recorded_at"]).astimezone(),
            probabilities={name: float(each) for name, each in json.loads(decision["probabilities"]).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReviewError(
            f"A message in the review queue is no decision ({error!r}); it stays there: see what sent it."
        ) from error
