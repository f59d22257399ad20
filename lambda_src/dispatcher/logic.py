"""One execution for what arrives together; what fails stays in the queue, what fails for good says why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.payload import fits
from lambda_src.adapters.workflow import Workflow
from lambda_src.errors import DispatchError, MalformedMessageError
from lambda_src.observability import logger

Record = Mapping[str, Any]
"""A message of the queue as Lambda hands it over."""
Upload = tuple[Record, Mapping[str, Any]]
"""A message, and what it points at."""


def pointer(body: str) -> dict[str, Any]:
    """Return what an `Object Created` event points at; its key comes as it is, not URL-encoded.

    Raises
    ------
    MalformedMessageError
    """
    try:
        detail = json.loads(body)["detail"]
        target = detail["object"]
        found = {
            "bucket": detail["bucket"]["name"],
            "key": target["key"],
            "version_id": target["version-id"],
            "size": int(target["size"]),
            "etag": target.get("etag", ""),
        }
    # Among them sizes without an end, and brackets without one: a message must not take those beside it along.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedMessageError(
            f"The message is not an 'Object Created' event of a versioned bucket ({error!r})."
        ) from error
    if empty := [name for name in ("bucket", "key", "version_id") if not _is_text(found[name])]:
        raise MalformedMessageError(f"The message's {', '.join(empty)} must be text that is not empty.")
    if found["size"] < 0 or not isinstance(found["etag"], str):
        raise MalformedMessageError("The message's size must be 0 or more, and its etag text.")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


@dataclass(frozen=True)
class Dispatcher:
    """Runs a batch.

    Parameters
    ----------
    workflow, dead_letters
        Starts executions; takes what is given up.
    max_receives
        At which receive a message that fails is given up.
    concurrency
        Executions at once.
    """

    workflow: Workflow
    dead_letters: DeadLetters
    max_receives: int
    concurrency: int

    def dispatch(self, records: Sequence[Record]) -> dict[str, list[dict[str, str]]]:
        """Run every record and return those to receive again."""
        groups, malformed = _sorted(records)
        with ThreadPoolExecutor(max(1, min(self.concurrency, len(groups) + len(malformed)))) as pool:
            done = set[str]().union(*pool.map(self._run, groups), *pool.map(self._refuse, malformed))
        left = (record["messageId"] for record in records if record["messageId"] not in done)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in left]}

    def _refuse(self, refused: tuple[Record, MalformedMessageError]) -> set[str]:
        """Give up a message that points at nothing, and return it if the queue may forget it."""
        record, error = refused
        return {record["messageId"]} if self._give_up(record, type(error).__name__, str(error)) else set()

    def _run(self, uploads: Sequence[Upload]) -> set[str]:
        """Run one execution and return the messages that the queue may forget; whatever happens, others go on."""
        failures: list[tuple[str, str] | None]
        try:
            found = self.workflow.run([upload for _, upload in uploads])
            failures = [(each.error, each.cause) if each else None for each in found]
        except DispatchError as error:
            failures = [(error.error, error.cause)] * len(uploads)
        except Exception as error:  # throttled, unreachable, forbidden: all of them wait in the queue
            logger().exception("execution without a result")
            failures = [(type(error).__name__, str(error))] * len(uploads)
        pairs = zip(uploads, failures, strict=True)
        return {
            record["messageId"]
            for (record, upload), each in pairs
            if not each or self._failed(record, upload, *each)
        }

    def _failed(self, record: Record, upload: Mapping[str, Any], name: str, cause: str) -> bool:
        receives = _receives(record)
        logger().warning(
            "image not decided",
            extra={
                "message_id": record["messageId"],
                "object": f"s3://{upload['bucket']}/{upload['key']}",
                "version_id": upload["version_id"],
                "error": name,
                "cause": cause,
                "receives": receives,
            },
        )
        return receives >= self.max_receives and self._give_up(record, name, cause)

    def _give_up(self, record: Record, name: str, cause: str) -> bool:
        if not self.dead_letters.give_up(record["body"], name, cause, message_id=record["messageId"]):
            return False  # the queue's own redrive is the last resort
        logger().error(
            "message given up", extra={"message_id": record["messageId"], "error": name, "cause": cause}
        )
        return True


def _sorted(
    records: Sequence[Record],
) -> tuple[list[list[Upload]], list[tuple[Record, MalformedMessageError]]]:
    """Return what runs together, as many images as one request to the endpoint carries, and what is no upload.

    A message that comes again goes alone: what fails for one image's sake fails for no other's twice.
    """
    groups: list[list[Upload]] = [[]]
    alone: list[list[Upload]] = []
    malformed = []
    for record in records:
        try:
            upload = (record, pointer(record["body"]))
        except MalformedMessageError as error:
            malformed.append((record, error))
            continue
        if _receives(record) > 1:
            alone.append([upload])
        elif fits(each["size"] for _, each in (*groups[-1], upload)):
            groups[-1].append(upload)
        else:
            groups.append([upload])
    return [each for each in (*groups, *alone) if each], malformed


def _receives(record: Record) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
