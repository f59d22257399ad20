"""A serving container as its callers see it: invoked, asked for its health, ended."""

from __future__ import annotations

import http.client
import shutil
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localcloud.processes import end_all

MARKER = "LOCALCLOUD_CONTAINER"
"""Environment variable that every process of a container inherits."""
STOP_SECONDS = 30.0
"""Between the SIGTERM and the SIGKILL that SageMaker sends to a container.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""


@dataclass(frozen=True)
class Answer:
    """What a container answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Log(Protocol):
    """Takes a container's lines, and keeps the last."""

    tail: deque[str]

    def line(self, text: str, *, telling: bool = True) -> None:
        """Take one line; the tail keeps it if it may tell why the container failed."""


class UnderWay:
    """Counts the invocations that have no answer yet."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Wait until there is none, `timeout` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count, timeout)


@dataclass(frozen=True)
class Container:
    """A running serving container."""

    identity: str
    port: int
    ray_port: int
    folders: tuple[Path, ...]
    under_way: UnderWay = field(default_factory=UnderWay)

    def invoke(self, body: bytes, headers: Mapping[str, str], *, timeout: float = 60.0) -> Answer:
        """Send one invocation."""
        with self.under_way:
            return _request(self.port, "POST", "/invocations", body, headers, timeout)

    def healthy(self) -> bool:
        """Ask the container whether it can serve."""
        return _request(self.port, "GET", "/ping", None, {}, 2.0).status == 200

    def stop(self) -> None:
        """End every process of the container when it has answered what it was asked."""
        self.under_way.wait(STOP_SECONDS)
        # At once, because nothing of it is kept: asked politely, Ray's processes take seconds to miss each other.
        end_all(self.identity, marker=MARKER, grace=0)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def _request(
    port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    except TimeoutError:
        return Answer(504, {}, b'{"error": "the container did not answer in time"}')
    except (OSError, http.client.HTTPException) as error:
        return Answer(503, {}, f'{{"error": "the container is away: {error}"}}'.encode())
    finally:
        connection.close()
