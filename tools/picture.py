"""Writes a PNG that any classifier takes, for a smoke test that has no picture at hand; standard library alone."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

SIDE = 64


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk of a PNG file: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def picture() -> bytes:
    """Return a colour gradient, which decodes like a photograph and looks like no class."""
    rows = b"".join(
        b"\0" + b"".join(bytes((4 * x, 4 * y, 255 - 2 * (x + y))) for x in range(SIDE)) for y in range(SIDE)
    )
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture())
