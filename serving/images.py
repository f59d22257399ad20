"""What an image is between its bytes and its answer."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from classifier.artifact import Predictions
from classifier.image_statistics import ImageStatistics

UNMEASURED = ImageStatistics(0, 0, "", "", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Data(NamedTuple):
    """Where a JPEG's coded picture begins and ends, and whether it comes in several scans."""

    first: int
    stop: int
    progressive: bool


class Photograph(NamedTuple):
    """A JPEG as it came, with what its header says: size in pixels, EXIF's orientation and Pillow's mode."""

    content: bytes
    width: int
    height: int
    orientation: int
    mode: str
    factor: int
    data: Data


class Pixels(NamedTuple):
    """A decoded image: uint8 tensor [3, S, S], normalised only as part of its batch, and its statistics."""

    tensor: Tensor
    statistics: ImageStatistics


class Shot(NamedTuple):
    """A photograph, and its pixels as the file has them, uint8 [3, h, w], on the device."""

    photograph: Photograph
    pixels: Tensor


class Predicted(NamedTuple):
    """A batch's predictions and its images' statistics."""

    predictions: Predictions
    statistics: list[ImageStatistics]


def example() -> bytes:
    """Return a JPEG of 640 by 480 pixels, as busy as a photograph."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
