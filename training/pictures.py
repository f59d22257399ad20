"""Reads splits of a staged dataset into memory, as the pixels that training augments."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from classifier.errors import ClassifierError
from classifier.labels import check_classes
from classifier.preprocessing import decode_pixels
from training.errors import DatasetError
from training.manifest import content, listed


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
    groups
        Of each picture, the group of duplicates that it belongs to.
    """

    pixels: Tensor
    labels: Tensor
    groups: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)

    def rows(self, rows: Tensor) -> "Pictures":
        """Return some of them."""
        return Pictures(
            self.pixels[rows], self.labels[rows], tuple(self.groups[row] for row in rows.tolist())
        )

    def joined(self, others: "Pictures") -> "Pictures":
        """Return these and others."""
        return Pictures(
            torch.cat([self.pixels, others.pixels]),
            torch.cat([self.labels, others.labels]),
            self.groups + others.groups,
        )


def class_names(folder: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """
    Return the classes to learn, in their order, once each of them is seen to have a folder.

    Raises
    ------
    DatasetError
        When a class has no folder, or there are fewer than two.
    classifier.errors.LabelsError
        When a name cannot label a model: better said before training than when the model is loaded.
    """
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for name in wanted:
        if name not in found:
            raise DatasetError(f"The split {folder.name!r} has no class {name!r}: it has {', '.join(found)}.")
    if len(wanted) < 2:
        raise DatasetError(f"The split {folder.name!r} has {len(wanted)} class: training needs at least two.")
    return check_classes(tuple(wanted))


def read_split(
    folder: Path, split: str, names: Sequence[str], manifest: Mapping[str, Any], image_size: int
) -> Pictures:
    """
    Decode every picture of a split.

    Raises
    ------
    DatasetError
        When a class is empty, a picture cannot be decoded, or the files are not those that the manifest lists, by
        name and content.
    """
    entries = listed(folder, split, manifest, names)
    own = [entry["file"].split("/")[1] for entry in entries.values()]
    for name in names:
        if name not in own:
            raise DatasetError(f"The class {name!r} has no picture in the split {split!r}.")
    labels = {name: label for label, name in enumerate(names)}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pixels = list(
            pool.map(
                lambda path, entry: _decoded(path, entry, image_size),
                entries.keys(),
                entries.values(),
            )
        )
    return Pictures(
        torch.stack(pixels),
        torch.tensor([labels[name] for name in own]),
        tuple(entry["group"] for entry in entries.values()),
    )


def _decoded(path: Path, entry: Mapping[str, Any], image_size: int) -> Tensor:
    try:
        return decode_pixels(content(path, entry), image_size)[0]
    except ClassifierError as error:
        raise DatasetError(f"The file {entry['file']!r} is no picture to learn from: {error}") from error
