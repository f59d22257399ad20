"""A picture as characters, for a terminal."""

from __future__ import annotations

import io

from rich.text import Text

COLUMNS = 48
ROWS = 24
HALF_BLOCK = "▀"
"""Its upper half has the text's colour and its lower half the background's: two pixels a character."""


def preview(content: bytes) -> Text | None:
    """Draw a picture small; nothing where it cannot be drawn, or where Pillow is not installed."""
    try:
        from PIL import Image  # noqa: PLC0415  # the command line for AWS alone does without it
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # the model could read it, or it would not be here; the file is there to look at
    scale = min(COLUMNS / image.width, 2 * ROWS / image.height)
    width, height = max(1, round(image.width * scale)), max(2, 2 * round(image.height * scale / 2))
    image = image.resize((width, height))
    drawn = Text()
    for row in range(0, height, 2):
        for column in range(width):
            upper, lower = (_colour(image.getpixel((column, row + each))) for each in (0, 1))
            drawn.append(HALF_BLOCK, style=f"{upper} on {lower}")
        drawn.append("\n")
    return drawn


def _colour(pixel: object) -> str:
    assert isinstance(pixel, tuple)  # noqa: S101  # an RGB image has no others
    return "#{:02x}{:02x}{:02x}".format(*pixel)
