"""Writes a process's lines to CloudWatch Logs while it runs."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque

from localcloud.access import client

BATCH = 500


class LogStream:
    """A stream of one log group, fed line by line and written twice a second."""

    def __init__(self, group: str, stream: str) -> None:
        self.group, self.stream = group, stream
        self.tail: deque[str] = deque(maxlen=50)
        self._lines: queue.Queue[tuple[int, str] | None] = queue.Queue()
        # Taken here, because a thread has no role of its own.
        self._logs = client("logs")
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def line(self, text: str, *, telling: bool = True) -> None:
        """Add one line; the tail keeps it if it may tell why the process failed."""
        if text.strip():
            if telling:
                self.tail.append(text)
            self._lines.put((int(time.time() * 1000), text))

    def close(self) -> None:
        """Write what is left."""
        self._lines.put(None)
        self._thread.join(timeout=10)

    def _write(self) -> None:
        logs = self._logs
        for create, names in (
            (logs.create_log_group, {"logGroupName": self.group}),
            (logs.create_log_stream, {"logGroupName": self.group, "logStreamName": self.stream}),
        ):
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                create(**names)
        open_ = True
        while open_:
            batch: list[dict[str, object]] = []
            wait: float | None = None
            while len(batch) < BATCH:
                try:
                    entry = self._lines.get(timeout=wait)
                except queue.Empty:
                    break
                if entry is None:
                    open_ = False
                    break
                batch.append({"timestamp": entry[0], "message": entry[1]})
                wait = 0.5
            if batch:
                logs.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=batch)
