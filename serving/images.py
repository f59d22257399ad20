"""What an image is between its bytes and its answer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from classifier.artifact import Predictions
from classifier.image_statistics import ImageStatistics


class Photograph(NamedTuple):
    """A JPEG as it came, with what its header says: size in pixels, EXIF's orientation and Pillow's mode."""

    content: bytes
    width: int
    height: int
    orientation: int
    mode: str
    factor: int


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
