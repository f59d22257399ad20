"""Videos as cameras make them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import av
from PIL import Image

RATE = 10
"""Frames a second."""
SIZE = (320, 240)
COLOURS = ("red", "lime", "blue", "yellow")


def video(
    pictures: Sequence[Image.Image], *, seconds: float = 1.0, kind: str = "mp4", codec: str = "libx264"
) -> bytes:
    """Return a video that shows each picture for so long."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            frame.pts = None
            for _ in range(round(seconds * RATE)):
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def coloured() -> list[Image.Image]:
    """Return a picture of each colour."""
    return [Image.new("RGB", SIZE, colour) for colour in COLOURS]


def lying(content: bytes) -> bytes:
    """Return an MP4 file whose header says that the camera was held upright: to be turned a quarter clockwise."""
    at = content.index(b"tkhd") + 4 + 4 + 20 + 16
    numbers = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    matrix = b"".join(each.to_bytes(4, "big", signed=True) for each in numbers)
    return content[:at] + matrix + content[at + len(matrix) :]
