"""Draws the training curve as SVG that follows the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 44, 12, 30


@dataclass(frozen=True)
class Line:
    """One measure over the epochs.

    Attributes
    ----------
    label, style
        What it is called, and its CSS class.
    points
        Coordinates, as SVG wants them in a polyline.
    last
        The last value, as text.
    """

    label: str
    style: str
    points: tuple[tuple[float, float], ...]
    last: str

    @property
    def path(self) -> str:
        """The points as the attribute of a polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Curve:
    """The training curve: losses on the left axis, accuracy on the right one."""

    lines: tuple[Line, ...]
    epochs: tuple[tuple[float, str], ...]
    losses: tuple[tuple[float, str], ...]
    accuracies: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def curve(epochs: Sequence[dict[str, Any]]) -> Curve | None:
    """Lay the curve out; nothing when there are no epochs."""
    if not epochs:
        return None
    losses = [float(each[k]) for each in epochs for k in ("train_loss", "validation_loss") if k in each]
    top = max([*losses, 1e-9]) * 1.05
    accuracies = [float(each["validation_accuracy"]) for each in epochs if "validation_accuracy" in each]
    low = max(0.0, min([*accuracies, 0.95]) - 0.05)

    def across(index: int) -> float:
        if len(epochs) == 1:
            return (LEFT + WIDTH - RIGHT) / 2
        return LEFT + index * (WIDTH - LEFT - RIGHT) / (len(epochs) - 1)

    def up(value: float, least: float, most: float) -> float:
        return HEIGHT - BOTTOM - (value - least) / (most - least) * (HEIGHT - TOP - BOTTOM)

    def line(key: str, label: str, style: str, least: float, most: float, shown: str) -> Line | None:
        values = [(index, float(each[key])) for index, each in enumerate(epochs) if key in each]
        if not values:
            return None
        points = tuple((across(index), up(value, least, most)) for index, value in values)
        return Line(label, style, points, shown.format(values[-1][1]))

    lines = (
        line("train_loss", "training loss", "train", 0.0, top, "{:.3f}"),
        line("validation_loss", "validation loss", "validation", 0.0, top, "{:.3f}"),
        line("validation_accuracy", "validation accuracy", "accuracy", low, 1.0, "{:.1%}"),
    )
    every = max(1, len(epochs) // 10)
    return Curve(
        lines=tuple(each for each in lines if each is not None),
        epochs=tuple(
            (across(index), str(each.get("epoch", index + 1)))
            for index, each in enumerate(epochs)
            if index % every == 0
        ),
        losses=tuple((up(top * share, 0.0, top), f"{top * share:.2f}") for share in (0, 0.25, 0.5, 0.75, 1)),
        accuracies=tuple(
            (up(low + (1 - low) * share, low, 1.0), f"{low + (1 - low) * share:.0%}") for share in (0, 0.5, 1)
        ),
    )
