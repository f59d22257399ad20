"""One execution for each uploaded object; what fails stays in the queue, what fails for good says why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.workflow import Workflow
from lambda_src.errors import DispatchError, MalformedMessageError
from lambda_src.observability import logger


def pointer(body: str) -> dict[str, Any]:
    """Return what an `Object Created` event points at.

    Raises
    ------
    MalformedMessageError
    """
    try:
        detail = json.loads(body)["detail"]
        target = detail["object"]
        return {
            "bucket": detail["bucket"]["name"],
            "key": target["key"],
            "version_id": target["version-id"],
            "size": int(target.get("size", 0)),
            "etag": target.get("etag", ""),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedMessageError(
            f"The message is no S3 event of a versioned bucket: {error!r}."
        ) from error


@dataclass(frozen=True)
class Dispatcher:
    """Runs a batch.

    Parameters
    ----------
    workflow
        Starts executions and takes dead letters.
    max_receives
        At which receive a message that fails is given up.
    concurrency
        Executions at once.
    """

    workflow: Workflow
    max_receives: int
    concurrency: int

    def dispatch(self, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Run every record and return those to receive again."""
        with ThreadPoolExecutor(min(self.concurrency, max(1, len(records)))) as pool:
            failed = [identifier for identifier in pool.map(self._one, records) if identifier]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    def _one(self, record: dict[str, Any]) -> str | None:
        body = record["body"]
        receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        try:
            try:
                self.workflow.run(pointer(body))
                return None
            except MalformedMessageError as error:
                self.workflow.give_up(body, type(error).__name__, str(error))
                return None
            except DispatchError as error:
                name, cause = error.error, error.cause
                logger().warning(
                    "execution failed", extra={"error": name, "cause": cause, "receives": receives}
                )
                if receives < self.max_receives:
                    return str(record["messageId"])
                self.workflow.give_up(body, name, cause)
                return None
        except Exception:
            # Whatever happens to one message, the others of the batch are answered for.
            logger().exception("dispatch failed")
            return str(record["messageId"])
