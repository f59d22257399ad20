"""A model to serve, and photographs to send to it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0, load_pretrained
from stacks.archives import serving_members, weights_file
from training.drawings import CLASSES, draw

VEHICLES = ("bicycle", "motorcycle")


def write_model(folder: Path, image_size: int) -> None:
    """Write a model of two classes: the pretrained body, and a head that was not trained."""
    torch.manual_seed(0)
    network = EfficientNetLite0(len(VEHICLES))
    load_pretrained(network, weights_file())
    card = ModelCard(VEHICLES, image_size, 1.0, 0.9, 0.01, "benchmark", model_version="benchmark")
    save_model(folder, network, card)


def write_archive(folder: Path, image_size: int) -> None:
    """Write what the unpacked archive of such a model holds."""
    write_model(folder, image_size)
    for name, content in serving_members().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def split(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Return items in batches."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def photographs(count: int, size: tuple[int, int], data: Path | None) -> list[bytes]:
    """Return JPEGs of one size: enlarged pictures of a folder, or drawings."""

    def pictures() -> Iterator[Image.Image]:
        files = sorted(each for each in data.rglob("*") if each.is_file()) if data else []
        files = files[:: max(1, len(files) // count)][:count]  # of every class
        for file in files:
            with Image.open(file) as image:
                yield image.convert("RGB")
        for index in range(count - len(files)):
            yield draw(sorted(CLASSES)[index % len(CLASSES)], 0, index)

    found = []
    for picture in pictures():
        buffer = io.BytesIO()
        picture.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found
