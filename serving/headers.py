"""Reads a JPEG's header, to say whether it is a plain photograph that a GPU can decode as Pillow would.

Pillow reads headers too, in ten times the time, and threads would wait for each other.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from classifier.preprocessing import Limits, reduction
from serving.images import Data, Photograph

_LARGEST = 1024
"""Pixels of a reduced image's longer side; from there on Pillow measures in another way."""
MAX_PIXELS = 12_000_000
"""Of one image: the device holds all of it, where Pillow reduces while it decodes."""
_END = b"\xff\xd9"
_PADDING = 64
"""Bytes that may follow a file's end."""
_SAMPLINGS = (b"\x11", b"\x11\x11\x11", b"\x22\x11\x11")
"""Grey, full colour, and colour halved both ways: of others libjpeg smooths the colours when it reduces."""
_PROGRESSIVE = 0xC2
_FRAMES = frozenset((0xC0, 0xC1, _PROGRESSIVE))
"""Baseline, extended and progressive, of Huffman's coding."""
_SCAN = 0xDA
_APP1, _APP2, _APP14 = 0xE1, 0xE2, 0xEE
_TELLING = frozenset((*_FRAMES, _SCAN, _APP1, _APP2, _APP14))
"""Markers whose content matters here."""
_BARE = frozenset((*range(0xD0, 0xD8), 0x01))
"""Markers that have no content."""
_FINE, _FINE_WHERE_PROGRESSIVE, _BAD = range(3)


def _kinds() -> NDArray[np.uint8]:
    kinds = np.full(256, _BAD, np.uint8)
    kinds[[0x00, *range(0xD0, 0xD8), 0xFF]] = _FINE
    kinds[[0xC4, _SCAN, 0xDD]] = _FINE_WHERE_PROGRESSIVE
    return kinds


_KINDS = _kinds()
"""Of what follows a 255 in a picture's data: Pillow refuses what is bad there, and nvJPEG decodes it to something."""


def photograph(content: bytes, image_size: int, limits: Limits) -> Photograph | None:
    """Read a JPEG's header; None is what Pillow should decode, or refuse."""
    stop = content.rfind(_END, max(0, len(content) - _PADDING))
    if len(content) > limits.max_bytes or stop < 0:
        return None
    orientation, turned = 1, False
    frame: tuple[int, bytes] | None = None
    for marker, segment, end in _segments(content):
        if marker == _SCAN:
            if frame is None:
                return None
            data = Data(end, stop, frame[0] == _PROGRESSIVE)
            return _plain(content, frame[1], data, orientation, image_size, limits)
        exif = marker == _APP1 and segment.startswith(b"Exif\0\0")
        if marker in _FRAMES and frame is None:
            frame = (marker, segment)
        elif exif and not turned:
            orientation, turned = _orientation(segment), True
        elif (
            exif  # in parts, which Pillow joins
            or marker in _FRAMES  # a second frame
            or (marker == _APP1 and b"Orientation" in segment)  # in XMP
            or (marker == _APP2 and segment.startswith(b"MPF\0"))  # several pictures
            or (marker == _APP14 and segment.startswith(b"Adobe") and segment[11:12] != b"\1")  # no YCbCr
        ):
            return None
    return None


def intact(photographs: Sequence[Photograph], joined: bytearray) -> NDArray[np.bool_]:
    """Say of photographs, whose contents are joined, which hold only what pictures' data may: bool [n].

    NumPy looks at all at once, and other threads run meanwhile.
    """
    data = np.frombuffer(joined, np.uint8)
    places = np.flatnonzero(data[:-1] == 0xFF)
    kinds = _KINDS[data[places + 1]]
    odd = kinds != _FINE
    places, kinds = places[odd], kinds[odd]
    ends = np.cumsum([len(each.content) for each in photographs])
    own = np.searchsorted(ends, places, side="right")
    starts = np.concatenate(([0], ends[:-1]))
    first, stop, progressive = np.array([each.data for each in photographs]).T
    inside = (places >= (starts + first)[own]) & (places < (starts + stop)[own])
    good = np.ones(len(photographs), np.bool_)
    good[own[inside & (kinds > progressive[own])]] = False
    return good


def _plain(
    content: bytes, frame: bytes, data: Data, orientation: int, image_size: int, limits: Limits
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
    return Photograph(content, width, height, orientation, "L" if components == 1 else "RGB", factor, data)


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the markers that matter, up to the picture's data, with their content and where it ends."""
    at, last = 2 if content[:2] == b"\xff\xd8" else len(content), len(content) - 4
    while at <= last and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            size = content[at + 2] << 8 | content[at + 3]
            if size < 2:
                return
            if marker in _TELLING:
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
