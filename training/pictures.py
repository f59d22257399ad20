"""Reads one split of a staged dataset into memory, as the pixels that training augments."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from classifier.labels import check_classes
from classifier.preprocessing import decode_pixels
from training.errors import DatasetError


@dataclass(frozen=True)
class Pictures:
    """
    Decoded pictures with their classes.

    Parameters
    ----------
    pixels
        uint8, shape [n, 3, S, S].
    labels
        int64, shape [n]: positions in the class names.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)


def class_names(folder: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """
    Return the classes of a split: the wanted ones in their order, or the folders', sorted.

    Raises
    ------
    DatasetError
        When a class has no folder, or fewer than two have.
    classifier.errors.LabelsError
        When a name cannot label a model: better said before training than when the model is loaded.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for name in wanted:
        if name not in found:
            raise DatasetError(f"The split {folder.name!r} has no class {name!r}: it has {', '.join(found)}.")
    names = tuple(wanted) or tuple(found)
    if len(names) < 2:
        raise DatasetError(f"The split {folder.name!r} has {len(names)} class: training needs at least two.")
    return check_classes(names)


def read_split(folder: Path, names: Sequence[str], image_size: int) -> Pictures:
    """
    Decode every picture of a split.

    Raises
    ------
    DatasetError
        When a class is empty.
    classifier.errors.ClassifierError
        When a picture cannot be decoded.
    """
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(names):
        own = sorted(path for path in (folder / name).rglob("*") if path.is_file())
        if not own:
            raise DatasetError(f"The class {name!r} has no picture in the split {folder.name!r}.")
        files += [(path, label) for path in own]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pixels = list(pool.map(lambda each: decode_pixels(each[0].read_bytes(), image_size)[0], files))
    return Pictures(torch.stack(pixels), torch.tensor([label for _, label in files]))
