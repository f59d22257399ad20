"""Sends images in and reads what became of each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import IO, Any

from scones.errors import FilesError
from scones.files import Image
from scones.target import Target, output

WORKERS = 8
POLL_SECONDS = 0.5
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decision:
    """What became of one image.

    Attributes
    ----------
    file
        The image as it was named.
    object, version_id
        The object that it became.
    outcome
        `routed`, `review` or `rejected`; None when nothing was recorded in time.
    predicted
        The class; None when the image was rejected.
    confidence
        Calibrated probability of the class, 0…1.
    route
        Where the orders of the class go.
    milliseconds
        How long reading and asking took, of all images that went with it.
    reason
        Why the image was rejected.
    """

    file: str
    object: str
    version_id: str
    outcome: str | None = None
    predicted: str | None = None
    confidence: float | None = None
    route: str | None = None
    milliseconds: float | None = None
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """Return it for `--json`; the class is called `class` there."""
        return {"class" if name == "predicted" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Inbox:
    """Where a deployment takes images, and where it records what became of them; any thread may use it."""

    bucket: str
    table: str
    s3: Any
    dynamodb: Any

    @classmethod
    def of(cls, target: Target) -> Inbox:
        """Return a deployment's.

        Raises
        ------
        NotDeployedError
        """
        outputs = target.outputs(target.stacks[0], target.stacks[2])
        bucket, table = output(outputs, "InboundBucketName"), output(outputs, "ResultsTableName")
        return cls(bucket, table, target.clients("s3"), target.clients("dynamodb"))

    def send(self, key: str, content: bytes | IO[bytes], content_type: str, file: str) -> Decision:
        """Upload an image, and return what is known of it."""
        sent = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=content_type)
        return Decision(file, f"s3://{self.bucket}/{key}", sent["VersionId"])

    def look(self, waiting: Decision) -> Decision:
        """Return what became of an image; the same where nothing is recorded yet."""
        key = {"object": {"S": waiting.object}, "version_id": {"S": waiting.version_id}}
        item = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        return waiting if item is None else decided(waiting, item)


def classify(
    target: Target,
    images: Sequence[Image],
    *,
    patience: float,
    on_sent: Progress = lambda done, total: None,
    on_decided: Progress = lambda done, total: None,
) -> list[Decision]:
    """Send images and wait for the outcome of each.

    Parameters
    ----------
    target
        The deployment.
    images
        What to send, under which keys.
    patience
        Seconds without any new outcome after which the rest is given up.
    on_sent, on_decided
        Called with how many are done and how many there are.

    Returns
    -------
    list of Decision
        In the order of the images; without an outcome where none was recorded in time.
    """
    inbox = Inbox.of(target)

    def send(image: Image) -> Decision:
        try:
            with image.path.open("rb") as body:
                return inbox.send(image.key, body, image.content_type, str(image.path))
        except OSError as error:
            raise FilesError(f"The file {image.path} cannot be read: {error.strerror}.") from error

    pool = ThreadPoolExecutor(WORKERS)
    try:
        decisions: list[Decision] = []
        for decision in pool.map(send, images):
            decisions.append(decision)
            on_sent(len(decisions), len(images))
        return _wait(decisions, inbox.look, pool, patience=patience, on_decided=on_decided)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _wait(
    decisions: list[Decision],
    look: Callable[[Decision], Decision],
    pool: ThreadPoolExecutor,
    *,
    patience: float,
    on_decided: Progress,
) -> list[Decision]:
    pending = list(range(len(decisions)))
    last_news = time.monotonic()
    while pending:
        for index, seen in zip(pending, pool.map(look, [decisions[each] for each in pending]), strict=True):
            decisions[index] = seen
        left = [each for each in pending if decisions[each].outcome is None]
        if len(left) < len(pending):
            last_news = time.monotonic()
            on_decided(len(decisions) - len(left), len(decisions))
        pending = left
        if pending:
            if time.monotonic() - last_news > patience:
                break
            time.sleep(POLL_SECONDS)
    return decisions


def decided(waiting: Decision, item: dict[str, Any]) -> Decision:
    """Fill a decision in from its record in the results table."""
    return Decision(
        file=waiting.file,
        object=waiting.object,
        version_id=waiting.version_id,
        outcome=_text(item, "outcome"),
        predicted=_text(item, "class"),
        confidence=_number(item, "confidence"),
        route=_text(item, "route"),
        milliseconds=_number(item, "milliseconds"),
        reason=_text(item, "reason"),
    )


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name, {}).get("S")
    return str(value) if value else None


def _number(item: dict[str, Any], name: str) -> float | None:
    value = item.get(name, {}).get("N") or item.get(name, {}).get("S")
    return float(value) if value else None


def as_json(decisions: Sequence[Decision]) -> str:
    """Return the decisions as a JSON list."""
    return json.dumps([each.row() for each in decisions], indent=2, ensure_ascii=False)
