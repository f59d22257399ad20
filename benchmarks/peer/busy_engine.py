"""In the place of the engine for `benchmarks.overload`: a device that is never the limit, and Python that is.

`BUSY_SECONDS` is how long the event loop is busy with each image. With `BUSY_REQUESTS`, so many requests are under way
at most.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from serving import admission

SECONDS = float(os.environ["BUSY_SECONDS"])
if limit := int(os.environ.get("BUSY_REQUESTS", "0")):
    # Ray hands the application over with its class of admission, so that another one here would come too late.
    defaults: Any = admission.Admission.__init__.__kwdefaults__
    defaults["max_requests"] = limit
ANSWER = {
    "class": "bicycle",
    "confidence": 0.9,
    "probabilities": {"bicycle": 0.9, "motorcycle": 0.1},
    "confident": True,
    "threshold": 0.9,
    "temperature": 1.0,
    "model_version": "busy",
    "image": {"brightness": 0.5, "contrast": 0.25},
    "embedding": 1708 * "A",  # as long as the engine's
}


class Engine:
    """What the application asks of an engine, with the sizes of one on a GPU."""

    lanes, largest, linear, busy = 4, 128, False, 516
    version = "busy"

    def __init__(self, _directory: Path) -> None:
        self.decoders, self.inference = ThreadPoolExecutor(4), ThreadPoolExecutor(self.lanes)

    def warm_up(self) -> float:
        """Return the seconds per image."""
        return 1e-4

    def check(self) -> None:
        """Do nothing."""

    def header(self, content: bytes) -> bytes:
        """Take the event loop's time for one image."""
        end = time.thread_time() + SECONDS
        while time.thread_time() < end:
            pass
        return content

    def infer(self, images: Sequence[bytes]) -> list[dict[str, Any]]:
        """Answer a batch as a device would, without a processor."""
        time.sleep(0.0015 + 5e-5 * len(images))
        return [ANSWER for _ in images]
