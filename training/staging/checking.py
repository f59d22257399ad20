"""Every candidate opened, and one of each picture kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.errors import ClassifierError
from classifier.preprocessing import open_rgb
from training.staging.candidates import REVIEWED, SPLITS, Candidate
from training.staging.fingerprints import difference_hash, pixel_hash

_EXTENSIONS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}
_REPORT_EVERY = 500


@dataclass(frozen=True)
class Reject:
    """A file that was set aside, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """A candidate that is a picture; `near` is its hash of gradients, if it has one."""

    candidate: Candidate
    pixels: str
    near: NDArray[np.uint8] | None
    extension: str
    width: int
    height: int
    mode: str


def check(candidates: Iterable[Candidate], log: Callable[[str], None]) -> tuple[list[Checked], list[Reject]]:
    """Open every candidate; set aside what is no picture."""
    checked: list[Checked] = []
    rejects: list[Reject] = []
    for number, candidate in enumerate(candidates, start=1):
        if number % _REPORT_EVERY == 0:
            log(f"checked {number} files")
        if candidate.damage:
            rejects.append(Reject(candidate.file, candidate.damage))
            continue
        try:
            image, kind, mode = open_rgb(candidate.data)
        except ClassifierError as error:
            rejects.append(Reject(candidate.file, str(error)))
            continue
        extension = _EXTENSIONS.get(kind, f".{kind.lower()}")
        near = difference_hash(image)
        checked.append(
            Checked(candidate, pixel_hash(image), near, extension, image.width, image.height, mode)
        )
    return checked, rejects


def without_copies(checked: Sequence[Checked]) -> tuple[list[Checked], list[Reject], int]:
    """Keep one of each picture, that of the latest split; set aside pictures that two classes claim.

    What the source says of a picture stands, whatever people say of a copy of it: one answer must not take away what
    models are tested with.
    """
    labels: dict[str, set[str]] = {}
    source = {item.pixels for item in checked if item.candidate.origin != REVIEWED}
    for item in checked:
        if item.candidate.origin != REVIEWED or item.pixels not in source:
            labels.setdefault(item.pixels, set()).add(item.candidate.label)
    rejects = []
    best: dict[str, Checked] = {}
    copies = 0
    for item in checked:
        claimed = sorted(labels[item.pixels])
        if len(claimed) > 1:
            reason = f"the same picture is in the classes {' and '.join(claimed)}"
            rejects.append(Reject(item.candidate.file, reason))
            continue
        if item.candidate.label not in claimed:
            reason = f"the source has the same picture in the class {claimed[0]}"
            rejects.append(Reject(item.candidate.file, reason))
            continue
        other = best.get(item.pixels)
        copies += other is not None
        if other is None or _order(item) < _order(other):
            best[item.pixels] = item
    return list(best.values()), rejects, copies


def _order(item: Checked) -> tuple[bool, int, str]:
    candidate = item.candidate
    return candidate.origin == REVIEWED, -SPLITS.index(candidate.split or "train"), candidate.file
