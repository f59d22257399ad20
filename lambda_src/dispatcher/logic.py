"""One execution for each uploaded object; what fails stays in the queue, what fails for good says why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.workflow import Workflow
from lambda_src.errors import DispatchError, MalformedMessageError
from lambda_src.observability import logger


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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedMessageError(
            f"The message is not an 'Object Created' event of a versioned bucket ({error!r})."
        ) from error
    if empty := [name for name in ("bucket", "key", "version_id") if not _is_text(found[name])]:
        raise MalformedMessageError(f"The message's {', '.join(empty)} must be text that is not empty.")
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

    def dispatch(self, records: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
        """Run every record and return those to receive again."""
        with ThreadPoolExecutor(max(1, min(self.concurrency, len(records)))) as pool:
            handled = list(pool.map(self._handle, records))
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["messageId"]}
                for record, well in zip(records, handled, strict=True)
                if not well
            ]
        }

    def _handle(self, record: Mapping[str, Any]) -> bool:
        """Run one record and say whether the queue may forget it; whatever happens, the others go on."""
        body = record["body"]
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        try:
            self.workflow.run(pointer(body))
        except MalformedMessageError as error:
            return self._give_up(record, type(error).__name__, str(error))
        except DispatchError as error:
            name, cause = error.error, error.cause
        except Exception as error:  # throttled, unreachable, forbidden: all of them wait in the queue
            logger().exception("execution not started")
            name, cause = type(error).__name__, str(error)
        else:
            return True
        logger().warning(
            "execution failed",
            extra={"message_id": record["messageId"], "error": name, "cause": cause, "receives": receives},
        )
        return receives >= self.max_receives and self._give_up(record, name, cause)

    def _give_up(self, record: Mapping[str, Any], name: str, cause: str) -> bool:
        if not self.dead_letters.give_up(record["body"], name, cause, message_id=record["messageId"]):
            return False  # the queue's own redrive is the last resort
        logger().error(
            "message given up", extra={"message_id": record["messageId"], "error": name, "cause": cause}
        )
        return True
