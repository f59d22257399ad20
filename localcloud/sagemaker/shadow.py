"""A shadow variant: it gets copies of requests, and nobody gets its answers.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping

from localcloud.sagemaker.members import Member

logger = logging.getLogger(__name__)

COPIES = 16
"""How many copies are on their way at once; those beyond are dropped, so that none waits in a queue."""
DRAIN_SECONDS = 5.0
"""How long an ended shadow may take over the copies that it has."""


def share(shadow: float, production: float) -> float:
    """Return the share of the requests that is copied, from the weights of both variants."""
    return min(1.0, shadow / production) if production else float(shadow > 0)


class Shadow:
    """Sends copies to a variant in the background."""

    def __init__(self, member: Member, copied: float) -> None:
        self.member = member
        self._share = copied
        self._places = threading.Semaphore(COPIES)
        self._told = False

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a copy, if the share has it and there is a place; the caller neither waits nor learns of errors."""
        if random.random() >= self._share:  # noqa: S311
            return
        if not self._places.acquire(blocking=False):
            if not self._told:
                self._told = True
                self.member.log.line(
                    f"Copies are dropped while {COPIES} requests wait for this shadow variant."
                )
            return
        try:
            # A daemon, for the emulator must not wait for a shadow when it ends.
            threading.Thread(target=self._copy, args=(body, headers), daemon=True).start()
        except RuntimeError:  # the machine has no more threads
            self._places.release()

    def stop(self) -> None:
        """Take no more copies, wait a little for those on their way, and end the container."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for _ in range(COPIES):
            self._places.acquire(timeout=max(0.0, deadline - time.monotonic()))
        self.member.stop()

    def _copy(self, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            self.member.invoke(body, headers)
        except Exception:
            logger.exception("a copy for the shadow variant %s failed", self.member.variant)
        finally:
            self._places.release()
