"""Every kind of picture that a person might send, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageDraw


def drawing(mode: str = "RGB", size: tuple[int, int] = (96, 80)) -> Image.Image:
    """Draw something that is a picture in any mode."""
    picture = Image.new("RGB", size, (180, 200, 220))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((8, 40, 38, 70), outline=(20, 20, 20), width=3)
    pen.ellipse((56, 40, 86, 70), outline=(20, 20, 20), width=3)
    pen.line((23, 55, 45, 30, 71, 55), fill=(200, 30, 30), width=3)
    if mode == "I;16":
        return picture.convert("L").convert("I").point(lambda value: value * 256).convert("I;16")
    return picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def rotated() -> bytes:
    """Return a JPEG that its EXIF data turns on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(drawing(), "JPEG", exif=exif)


def animated() -> bytes:
    """Return a GIF of three frames."""
    frames = [drawing("P") for _ in range(3)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def huge() -> bytes:
    """Return a small PNG that claims 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


USABLE = {
    "plain.png": encoded(drawing(), "PNG"),
    "photo.jpg": encoded(drawing(), "JPEG"),
    "cmyk.jpg": encoded(drawing("CMYK"), "JPEG"),
    "sixteen bit.png": encoded(drawing("I;16"), "PNG"),
    "palette.png": encoded(drawing("P"), "PNG"),
    "transparent.png": encoded(drawing("RGBA"), "PNG"),
    "animated.gif": animated(),
    "rotated+exif.jpg": rotated(),
    "100%25.webp": encoded(drawing(), "WEBP"),
    "Fahrräder/自転車 №1.png": encoded(drawing(), "PNG"),
}
UNUSABLE = {
    "corrupt.jpg": encoded(drawing(), "JPEG")[:200],
    "empty.png": b"",
    "not an image.txt": b"a scone is no bicycle",
    "huge dimensions.png": huge(),
    "over the limit.png": encoded(drawing(), "PNG") + b"\0" * 2_100_000,
}
