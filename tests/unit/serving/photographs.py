"""Photographs as cameras make them: of every kind that a GPU decodes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def scene(size: tuple[int, int]) -> Image.Image:
    """Make a picture with edges, gradients and some noise."""
    width, height = size
    chance = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    picture[(x // 40 + y // 30) % 2 == 0] *= 0.6
    picture += chance.normal(0, 6, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def turned(orientation: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a photograph that its EXIF data turns or mirrors."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(scene(size), exif=exif)


PLAIN = {
    "plain": jpeg(scene((640, 480))),
    "odd": jpeg(scene((1023, 771))),
    "tall": jpeg(scene((600, 1400))),
    "large": jpeg(scene((3000, 2000))),
    "grey": jpeg(scene((640, 480)).convert("L")),
    "full colour": jpeg(scene((640, 480)), subsampling=0),
    "progressive": jpeg(scene((640, 480)), progressive=True),
    "restarts": jpeg(scene((640, 480)), restart_marker_blocks=4),
    **{f"turned {number}": turned(number, (700, 515)) for number in range(1, 9)},
}
