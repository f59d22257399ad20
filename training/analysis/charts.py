"""Draws the report's plots as SVG that follows the page's colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.analysis.baselines import Baseline, Numbers
from training.analysis.drift import NEEDED
from training.analysis.records import INPUTS
from training.analysis.windows import Window

WIDTH, HEIGHT = 280, 110
_BINS = 16
_MOST_POINTS = 60


@dataclass(frozen=True)
class Histogram:
    """Shares of one statistic in the baseline and in a window, each a polygon of an SVG, with the ends of its axis."""

    name: str
    before: str
    now: str
    low: str
    high: str


@dataclass(frozen=True)
class Series:
    """One kind's scores over the windows: a polyline, the height of what matters, and its last value."""

    kind: str
    line: str
    needed: float
    last: str
    marks: tuple[tuple[float, float], ...]


def histograms(window: Window, baseline: Baseline) -> list[Histogram]:
    """Draw every statistic of a window over the baseline's."""
    found = []
    for name in INPUTS:
        now = np.array([each.inputs[name] for each in window.records if each.inputs and name in each.inputs])
        before = baseline.inputs.get(name)
        if before is not None and len(before) and len(now):
            found.append(_histogram(name, before, now))
    confidence = np.array([each.confidence for each in window.records])
    return [*found, _histogram("confidence", baseline.confidence, confidence)]


def _histogram(name: str, before: Numbers, now: Numbers) -> Histogram:
    both = np.concatenate([before, now])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (before, now)]
    top = max(float(share.max()) for share in shares)
    return Histogram(name, _steps(shares[0], top), _steps(shares[1], top), f"{low:.4g}", f"{high:.4g}")


def _steps(shares: Numbers, top: float) -> str:
    """Return a polygon of a bar for each share, from the axis and back to it."""
    across = WIDTH / len(shares)
    points = [(0.0, float(HEIGHT))]
    for index, share in enumerate(shares):
        height = HEIGHT * (1.0 - float(share) / top)
        points += [(index * across, height), ((index + 1) * across, height)]
    points.append((float(WIDTH), float(HEIGHT)))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def series(history: Sequence[Mapping[str, Any]]) -> list[Series]:
    """Draw each kind's scores over the last judged windows; a mark where it was called drift."""
    judged = [each for each in history if each["source"] == "predictions" and each["tests"]][-_MOST_POINTS:]
    found = []
    for kind, needed in NEEDED.items():
        values = [(each["tests"][kind], kind in each["kinds"]) for each in judged if kind in each["tests"]]
        if not values:
            continue
        top = max(2 * needed, *(value for value, _ in values))
        across = WIDTH / max(1, len(values) - 1)
        points = [
            (index * across, HEIGHT * (1.0 - value / top), drift)
            for index, (value, drift) in enumerate(values)
        ]
        found.append(
            Series(
                kind,
                " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points),
                round(HEIGHT * (1.0 - needed / top), 1),
                f"{values[-1][0]:.3f}",
                tuple((round(x, 1), round(y, 1)) for x, y, drift in points if drift),
            )
        )
    return found


def mix(window: Window, baseline: Baseline) -> list[tuple[str, float, float]]:
    """Return each class with its share of the baseline's answers and of the window's."""
    names = sorted({*baseline.classes, *baseline.labels, *(each.label for each in window.records)})
    labels = [each.label for each in window.records]
    return [
        (name, baseline.labels.count(name) / len(baseline.labels), labels.count(name) / len(labels))
        for name in names
    ]
