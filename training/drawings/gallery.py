"""Which classes can be drawn, and a source of as many drawings as are wanted."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from training.drawings.canvas import SUPERSAMPLE, Brush, background, photograph, pose
from training.drawings.scones import defective, good
from training.drawings.vehicles import bicycle, motorcycle
from training.errors import SourceError
from training.staging.candidates import Candidate, choose_classes

SIDES = (64, 96)  # pixels


@dataclass(frozen=True)
class _Subject:
    paint: Callable[[Random, Brush], None]
    turn: float
    scale: tuple[float, float]


_SUBJECTS = {
    "bicycle": _Subject(bicycle, turn=0.35, scale=(0.62, 0.95)),
    "motorcycle": _Subject(motorcycle, turn=0.35, scale=(0.62, 0.95)),
    "good": _Subject(good, turn=3.14, scale=(0.75, 1.1)),
    "defective": _Subject(defective, turn=3.14, scale=(0.75, 1.1)),
}
CLASSES = tuple(_SUBJECTS)


def draw(label: str, seed: int, index: int) -> Image.Image:
    """Draw the picture of this class that ``seed`` and ``index`` stand for; the same ones give the same."""
    random = Random(f"{label}:{seed}:{index}")  # noqa: S311 - drawings, not secrets
    subject = _SUBJECTS[label]
    side = random.randint(*SIDES)
    image = background(random, side * SUPERSAMPLE)
    placed = pose(random, image.width, turn=subject.turn, scale=subject.scale)
    subject.paint(random, Brush(image, placed))
    return photograph(random, image, side)


def draw_candidates(
    wanted: Sequence[str], per_class: int, seed: int
) -> tuple[tuple[str, ...], Iterator[Candidate]]:
    """
    Return the classes with an iterator over their drawings as PNG files.

    Raises
    ------
    SourceError
        When a class cannot be drawn, or no drawings are asked for.
    """
    if per_class < 1:
        raise SourceError(f"The drawings source is asked for {per_class} drawings per class: ask for more.")
    classes = choose_classes(CLASSES, wanted or ("bicycle", "motorcycle"), "drawings")
    return classes, _candidates(classes, per_class, seed)


def _candidates(classes: Sequence[str], per_class: int, seed: int) -> Iterator[Candidate]:
    for label in classes:
        for index in range(per_class):
            buffer = io.BytesIO()
            draw(label, seed, index).save(buffer, "PNG")
            yield Candidate(f"{label}/drawing-{seed}-{index:05d}.png", label, buffer.getvalue())
