"""Reads a JPEG's header, to say whether it is a plain photograph that a GPU can decode as Pillow would.

Pillow reads headers too, in ten times the time, and threads would wait for each other.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator

from PIL import ExifTags, Image

from classifier.preprocessing import Limits, reduction
from serving.images import Photograph

_LARGEST = 1024
"""Pixels of a reduced image's longer side; from there on Pillow measures in another way."""
MAX_PIXELS = 12_000_000
"""Of one image: the device holds all of it, where Pillow reduces while it decodes."""
_END = b"\xff\xd9"
_PADDING = 64
"""Bytes that may follow a file's end."""
_SAMPLINGS = (b"\x11", b"\x11\x11\x11", b"\x22\x11\x11")
"""Grey, full colour, and colour halved both ways: of others libjpeg smooths the colours when it reduces."""
_BROKEN = {
    0xC0: re.compile(rb"\xff[^\x00\xd0-\xd7\xff]"),
    0xC1: re.compile(rb"\xff[^\x00\xd0-\xd7\xff]"),
    0xC2: re.compile(rb"\xff[^\x00\xd0-\xd7\xff\xc4\xda\xdd]"),
}
"""Frames (baseline, extended, progressive, of Huffman's coding) and what their pictures' data cannot hold: Pillow
refuses it, and nvJPEG decodes it to something."""
_SCAN = 0xDA
_BARE = (*range(0xD0, 0xD8), 0x01)
"""Markers that have no content."""


def photograph(content: bytes, image_size: int, limits: Limits) -> Photograph | None:
    """Read a JPEG's header; None is what Pillow should decode, or refuse."""
    if len(content) > limits.max_bytes or _END not in content[-_PADDING:]:
        return None
    orientation, turned = 1, False
    frame: tuple[int, bytes] | None = None
    for marker, segment, end in _segments(content):
        if marker == _SCAN:
            if frame is None or _BROKEN[frame[0]].search(content, end, content.rindex(_END)):
                return None
            return _plain(content, frame[1], orientation, image_size, limits)
        exif = marker == 0xE1 and segment.startswith(b"Exif\0\0")
        if marker in _BROKEN and frame is None:
            frame = (marker, segment)
        elif exif and not turned:
            orientation, turned = _orientation(segment), True
        elif (
            exif  # in parts, which Pillow joins
            or marker in _BROKEN  # a second frame
            or (marker == 0xE1 and b"Orientation" in segment)  # in XMP
            or (marker == 0xE2 and segment.startswith(b"MPF\0"))  # several pictures
            or (marker == 0xEE and segment.startswith(b"Adobe") and segment[11:12] != b"\1")  # no YCbCr
        ):
            return None
    return None


def _plain(
    content: bytes, frame: bytes, orientation: int, image_size: int, limits: Limits
) -> Photograph | None:
    """Read a frame's header."""
    if len(frame) < 6:
        return None
    precision, height, width, components = struct.unpack(">BHHB", frame[:6])
    factor = reduction((width, height), image_size) if width and height else 1
    if (
        precision != 8
        or frame[7::3] not in _SAMPLINGS
        or frame[6::3] == b"RGB"
        or width * height > min(limits.max_pixels, MAX_PIXELS)
        or factor < 2
        or max(width, height) >= _LARGEST * factor
    ):
        return None
    return Photograph(content, width, height, orientation, "L" if components == 1 else "RGB", factor)


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the markers up to the picture's data, with their content and where it ends."""
    at = 2 if content[:2] == b"\xff\xd8" else len(content)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            size = int.from_bytes(content[at + 2 : at + 4], "big")
            if size < 2:
                return
            yield marker, content[at + 4 : at + 2 + size], at + 2 + size
            at += 2 + size


def _orientation(segment: bytes) -> int:
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(segment)
            found = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF data is no reason to refuse good pixels
        return 1
    return found if found in range(1, 9) else 1
