"""Pictures beside each other, for eyes to judge."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

SIDE = 128  # pixels
CAPTION = 16
COLUMNS = 8


def contact_sheet(contents: Sequence[bytes], captions: Sequence[str], file: Path) -> None:
    """Write encoded pictures as one, in rows, each above its caption."""
    columns = min(COLUMNS, len(contents))
    rows = -(-len(contents) // columns)
    sheet = Image.new("RGB", (columns * SIDE, rows * (SIDE + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (content, caption) in enumerate(zip(contents, captions, strict=True)):
        x, y = number % columns * SIDE, number // columns * (SIDE + CAPTION)
        with Image.open(io.BytesIO(content)) as image:
            sheet.paste(ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color="white"), (x, y))
        pen.text((x + 3, y + SIDE + 2), caption, fill="black")
    sheet.save(file)
