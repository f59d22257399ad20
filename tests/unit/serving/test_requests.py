"""What a request may hold."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator

import pytest

from classifier.errors import ImageTooLargeError, UnreadableImageError
from serving import errors, requests
from serving.requests import MAX_ENTRIES, MAX_EXTENDED, MAX_IMAGES, is_archive, read, unpack


def tar(*images: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in images:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def header(fields: dict[str, str] | None = None, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return an entry's header alone."""
    entry = tarfile.TarInfo("a")
    entry.type = kind
    entry.pax_headers = fields or {}
    return entry.tobuf(tarfile.PAX_FORMAT)


def sparse() -> bytes:
    """Return an archive of one sparse file that would unpack to 10 GB."""
    return header({"GNU.sparse.size": str(10**10), "GNU.sparse.map": f"{10**10},0"}) + bytes(1024)


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "application/x-image", "", "IMAGE/JPEG; q=1", "image/*"]
)
def test_one_image_is_taken_when_the_type_is_any_image(kind: str) -> None:
    assert not is_archive(kind)


def test_a_type_is_refused_when_it_is_another() -> None:
    assert is_archive("application/x-tar; charset=binary")
    with pytest.raises(errors.UnsupportedContentTypeError, match="text/csv"):
        is_archive("text/csv")


def test_reading_stops_when_the_body_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_IMAGE_BYTES", 1000)
    monkeypatch.setattr(requests, "MAX_ARCHIVE_BYTES", 2000)
    assert len(asyncio.run(read(chunks(10, 100), archive=False))) == 1000
    with pytest.raises(ImageTooLargeError, match="1,000"):
        asyncio.run(read(chunks(10**12, 101), archive=False))
    with pytest.raises(errors.RequestTooLargeError, match="2,000"):
        asyncio.run(read(chunks(10**12, 101), archive=True))


def test_images_come_in_order_when_an_archive_holds_many() -> None:
    assert unpack(tar(("b", b"2"), ("a", b"1"), ("b", b"3"))) == [("b", b"2"), ("a", b"1"), ("b", b"3")]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no archive at all" * 100, id="text"),
        pytest.param(tar(), id="no files"),
        pytest.param(tar(("a", b"1" * 5000))[:2000], id="truncated"),
        pytest.param(header(kind=tarfile.DIRTYPE) + bytes(1024), id="folder"),
        pytest.param(header({"size": "10000000000"}) + bytes(1024), id="size beyond the body"),
        pytest.param(header({"size": "-1024"}) + bytes(1024), id="negative size"),
        pytest.param(sparse(), id="sparse"),
        pytest.param(header({"path": "x"})[:1024] * 2000 + bytes(1024), id="chain of extensions"),
    ],
)
def test_a_body_is_refused_when_no_image_can_be_taken_from_it(body: bytes) -> None:
    with pytest.raises(errors.MalformedArchiveError) as refused:
        unpack(body)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("at", [1024, 1500, 2048, 2049, 3000, 3071, 3072])
def test_an_archive_is_refused_wherever_it_was_cut_off(at: int) -> None:
    whole = tar(("a", b"1" * 512), ("b", b"2" * 512), ("c", b"3" * 512))
    with pytest.raises(errors.MalformedArchiveError):
        unpack(whole[:at])
    assert len(unpack(whole[: 3072 + tarfile.BLOCKSIZE])) == 3


def test_an_archive_is_refused_when_a_header_is_damaged() -> None:
    whole = bytearray(tar(("a", b"1" * 512), ("b", b"2" * 512), ("c", b"3" * 512)))
    whole[1024] ^= 1
    with pytest.raises(
        errors.MalformedArchiveError, match="has no end, or something behind it: it was cut off"
    ):
        unpack(bytes(whole))


def test_an_archive_is_refused_when_something_comes_after_its_end() -> None:
    whole = tar(("a", b"1" * 512), ("b", b"2" * 512), ("c", b"3" * 512))
    for body in (whole[:1024] + bytes(512) + whole[1536:], whole + whole):
        with pytest.raises(errors.MalformedArchiveError, match="something behind it"):
            unpack(body)
    assert len(unpack(whole + bytes(5000))) == 3


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
def test_an_extended_header_of_digits_takes_no_time(kind: bytes) -> None:
    entry = tarfile.TarInfo("a")
    # Some twenty minutes of the regular expression that would look for numbers.
    entry.type, entry.size = kind, MAX_EXTENDED
    body = entry.tobuf() + b"1" * entry.size + tar(("a", b"1"))
    with pytest.raises(errors.MalformedArchiveError, match="a number that has no end"):
        unpack(body)
    assert unpack(header({"path": (name := "1" * 255)}) + bytes(1024)) == [(name, b"")]
    entry.size += 1
    with pytest.raises(errors.MalformedArchiveError, match="larger than any name"):
        unpack(entry.tobuf() + bytes(512))


def test_a_name_that_is_no_text_is_written_out() -> None:
    named = tar(("a", b"1"), ("a\udcff\udcfe", b"2"))
    assert unpack(named) == [("a", b"1"), ("a\\udcff\\udcfe", b"2")]


def test_an_archive_is_refused_when_it_holds_too_much() -> None:
    with pytest.raises(errors.RequestTooLargeError, match=str(MAX_IMAGES)):
        unpack(tar(*((str(number), b"x") for number in range(MAX_IMAGES + 1))))
    with pytest.raises(errors.RequestTooLargeError, match=str(MAX_ENTRIES)):
        unpack(header(kind=tarfile.DIRTYPE) * (MAX_ENTRIES + 1))


def test_every_refusal_has_a_status_and_a_name() -> None:
    assert errors.status(errors.OverloadedError("busy", 1.0)) == 429
    assert errors.status(UnreadableImageError("bad")) == 400
    assert errors.status(ImageTooLargeError("big")) == 413
    assert errors.body(errors.OverloadedError("busy", 2.04049)) == {
        "error": "OverloadedError",
        "message": "busy: send this again in 2.04 s.",
    }
