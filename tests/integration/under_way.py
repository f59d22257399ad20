"""A container's invocations, watched."""

from __future__ import annotations

import threading

from localcloud.containers.container import UnderWay


class Watched(UnderWay):
    """Says when there is an invocation, and when somebody waits for the last."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.waited_for = threading.Event()

    def __enter__(self) -> None:
        super().__enter__()
        self.entered.set()

    def wait(self, timeout: float) -> None:
        self.waited_for.set()
        super().wait(timeout)
