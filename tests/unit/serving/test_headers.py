"""Which JPEGs a GPU decodes as Pillow would, told from their headers."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from classifier.preprocessing import Limits, decode_pixels
from serving.headers import intact, photograph
from serving.images import Photograph
from tests.integration.workflow.pictures import UNUSABLE, USABLE, drawing, encoded
from tests.unit.serving.photographs import PLAIN, turned

SIZE = 64


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_plain_photograph_is_read_as_pillow_reads_it(name: str) -> None:
    content = PLAIN[name]
    found = photograph(content, SIZE, Limits())
    assert found is not None
    with Image.open(io.BytesIO(content)) as image:
        assert (found.width, found.height, found.mode) == (*image.size, image.mode)
        assert found.orientation == image.getexif().get(0x0112, 1)
    _, statistics = decode_pixels(content, SIZE)
    width, height = (found.height, found.width) if found.orientation >= 5 else (found.width, found.height)
    assert (statistics.width, statistics.height) == (width, height)


def test_it_is_reduced_as_pillow_reduces_it() -> None:
    for width, height in ((512, 512), (640, 480), (641, 481), (1023, 700), (1600, 1200), (4000, 3000)):
        content = encoded(drawing(size=(width, height)), "JPEG")
        found = photograph(content, SIZE, Limits())
        assert found is not None
        with Image.open(io.BytesIO(content)) as image:
            image.draft(None, (width // found.factor, height // found.factor))
            image.load()
            assert image.size == (-(-width // found.factor), -(-height // found.factor))
    assert photograph(encoded(drawing(size=(511, 511)), "JPEG"), SIZE, Limits()) is None


def test_what_is_not_plain_is_left_to_pillow() -> None:
    big = drawing(size=(800, 600))
    several = io.BytesIO()
    big.save(several, "MPO", save_all=True, append_images=[big])
    marked = encoded(big, "JPEG", xmp=b'<x tiff:Orientation="6"/>')
    plain = encoded(big, "JPEG")
    twelve = bytearray(plain)
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    flat = bytearray(plain)
    at = flat.index(b"\xff\xc0") + 5
    flat[at : at + 2] = struct.pack(">H", 0)
    frame = plain.index(b"\xff\xc0")
    exif = turned(6).index(b"\xff\xe1")
    size = 2 + int.from_bytes(turned(6)[exif + 2 : exif + 4], "big")
    left = {
        "two frames": plain[: frame + 19] + plain[frame:],
        "exif in parts": turned(6)[: exif + size] + turned(6)[exif:],
        "too large for the device": encoded(drawing(size=(4100, 3000)), "JPEG"),
        "cmyk": encoded(drawing("CMYK", (800, 600)), "JPEG"),
        "colour halved one way": encoded(big, "JPEG", subsampling=1),
        "rgb": encoded(big, "JPEG", keep_rgb=True),
        "several": several.getvalue(),
        "turned by xmp": marked,
        "twelve bits": bytes(twelve),
        "no height": bytes(flat),
        "truncated": plain[:-200],
        "header alone": plain[: plain.index(b"\xff\xc0")] + b"\xff\xd9",
        "no jpeg": b"\0\0" + plain[2:],
        "text": b"a scone is no bicycle\xff\xd9",
        "png": encoded(big, "PNG"),
        **UNUSABLE,
        **USABLE,  # small
    }
    assert [name for name, content in left.items() if photograph(content, SIZE, Limits())] == []
    assert photograph(plain, SIZE, Limits(max_pixels=1000)) is None
    assert photograph(plain, SIZE, Limits(max_bytes=1000)) is None
    assert photograph(plain + b"\0" * 10, SIZE, Limits()) is not None


def read(content: bytes) -> Photograph:
    found = photograph(content, SIZE, Limits())
    assert found is not None
    return found


def test_broken_data_is_found_wherever_it_lies() -> None:
    plain = encoded(drawing(size=(800, 600)), "JPEG")
    progressive = encoded(drawing(size=(800, 600)), "JPEG", progressive=True)
    restarting = encoded(drawing(size=(800, 600)), "JPEG", restart_marker_rows=1)
    first = read(plain).data.first
    good = [*PLAIN.values(), plain, progressive, restarting, plain + b"\xff\x17", plain + b"\0" * 10]
    good.append(plain[:-900] + b"\xff" + plain[-900:])  # what fills up
    bad = [
        plain[:at] + marker + plain[at + 2 :]
        for at in (first, -900, -4)
        for marker in (b"\xff\x17", b"\xff\xda")
    ]
    bad.append(progressive[:-900] + b"\xff\x17" + progressive[-898:])
    for contents, wanted in ((good, True), (bad, False)):
        for content in contents:
            assert intact([read(content)], bytearray(content)).tolist() == [wanted]
    mixed = [content for pair in zip(good, bad, strict=False) for content in pair]
    found = intact([read(content) for content in mixed], bytearray().join(mixed))
    assert found.tolist() == [content in good for content in mixed]


def test_any_cut_is_no_error() -> None:
    content = turned(6)
    for end in range(0, 700):
        assert photograph(content[:end] + b"\xff\xd9", SIZE, Limits()) is None or end > 150
    for at in range(2, 700):
        photograph(content[:at] + b"\xff" + content[at + 1 :], SIZE, Limits())
