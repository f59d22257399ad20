"""What an image looks like in six numbers, so that drift can be seen without keeping the pictures."""

from typing import NamedTuple

import numpy as np
from PIL import Image

LONGEST_SIDE = 256
"""Pixels of an image that is measured."""
COLOUR_SIDE = 128
"""Of the grid of pixels whose colours are averaged: all of them would cost the endpoint a millisecond."""
MEASURES = ("brightness", "contrast", "sharpness", "saturation", "redness", "blueness")
"""What is measured on the pixels; the rest are facts of the file."""


class ImageStatistics(NamedTuple):
    """
    Facts of one image.

    Parameters
    ----------
    width, height
        Pixels, upright.
    format, mode
        Pillow's names of the file's format and of its pixels before conversion.
    brightness, contrast
        Mean and standard deviation of luma, 0…1.
    sharpness
        Standard deviation of luma's Laplacian (0 is flat), on the image reduced to 256 pixels.
    saturation
        Mean of HSV's saturation, 0…1: 0 is grey.
    redness, blueness
        Means of red and of blue less luma, -1…1: a colour cast moves them, a change of light hardly.
    """

    width: int
    height: int
    format: str
    mode: str
    brightness: float
    contrast: float
    sharpness: float
    saturation: float
    redness: float
    blueness: float

    def as_dict(self) -> dict[str, object]:
        """Return the statistics as the endpoint answers them."""
        return self._asdict()


def measure(image: Image.Image, size: tuple[int, int], kind: str, mode: str) -> ImageStatistics:
    """Measure an RGB image whose file was of ``size``, upright, and of format ``kind`` and mode ``mode``."""
    luma = image.convert("L")
    luma.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(luma, dtype=np.float64) / 255.0
    padded = np.pad(values, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    brightness = float(values.mean())
    shrink = min(1.0, COLOUR_SIDE / max(image.size))
    width, height = (max(1, round(side * shrink)) for side in image.size)
    colours = image.resize((width, height), Image.Resampling.NEAREST)  # means need a sample, and no filter
    # Not Pillow's `ImageStat`, which counts in Python: other threads would wait for it.
    red, _, blue = np.asarray(colours).mean(axis=(0, 1))
    return ImageStatistics(
        width=size[0],
        height=size[1],
        format=kind,
        mode=mode,
        brightness=round(brightness, 4),
        contrast=round(float(values.std()), 4),
        sharpness=round(float((around - 4.0 * values).std()), 4),
        saturation=round(float(np.asarray(colours.convert("HSV"))[..., 1].mean()) / 255.0, 4),
        redness=round(float(red) / 255.0 - brightness, 4),
        blueness=round(float(blue) / 255.0 - brightness, 4),
    )
