"""Videos as cameras make them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from PIL import Image

RATE = 10
"""Frames a second."""
SIZE = (320, 240)
COLOURS = ("red", "lime", "blue", "yellow")


def video(
    pictures: Sequence[Image.Image],
    *,
    seconds: float = 1.0,
    kind: str = "mp4",
    codec: str = "libx264",
    times: Sequence[float] = (),
) -> bytes:
    """Return a video that shows each picture for so long, or, of one picture, a frame at each of these times."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        shown = [picture for picture in pictures for _ in range(round(seconds * RATE))]
        for number, picture in enumerate(shown if not times else list(pictures) * len(times)):
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            if times:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def coloured() -> list[Image.Image]:
    """Return a picture of each colour."""
    return [Image.new("RGB", SIZE, colour) for colour in COLOURS]


def turned(content: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Return an MP4 file whose header says how the camera was held: where across and down come to lie."""
    at = content.index(b"tkhd") + 4 + 4 + 20 + 16
    across, down = [each << 16 for each in matrix[:2]], [each << 16 for each in matrix[2:]]
    numbers = (*across, 0, *down, 0, 0, 0, 1 << 30)
    words = b"".join(each.to_bytes(4, "big", signed=True) for each in numbers)
    return content[:at] + words + content[at + len(words) :]
