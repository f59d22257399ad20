"""Where a request's time went, for its caller and for Ray's metrics."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from ray.util.metrics import Histogram

STAGES = ("read", "decode", "wait", "infer", "total")
_BOUNDARIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]


class Timings:
    """Seconds of one request's stages; `decode`, `wait` and `infer` are means over its images."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Add the time that the context lasts."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Add one stage of one image."""
        self._seconds[stage] += seconds
        self._counts[stage] += 1

    def means(self) -> dict[str, float]:
        """Return the seconds of each stage that was reached."""
        found = {stage: self._seconds[stage] / count for stage, count in self._counts.items()}
        return {**found, "total": time.perf_counter() - self._started}


def header(means: dict[str, float]) -> str:
    """Return the stages in the syntax of `Server-Timing` (W3C), in milliseconds."""
    return ", ".join(f"{stage};dur={1000 * means[stage]:.1f}" for stage in STAGES if stage in means)


class StageMetrics:
    """Ray's histogram `classifier_stage_seconds`, by stage."""

    def __init__(self) -> None:
        self._histogram = Histogram(
            "classifier_stage_seconds",
            description="Seconds of an answered request's stages; of many images, the mean.",
            boundaries=_BOUNDARIES,
            tag_keys=("stage",),
        )

    def observe(self, means: dict[str, float]) -> None:
        """Count one answered request."""
        for stage, seconds in means.items():
            self._histogram.observe(seconds, {"stage": stage})
