"""What a request may hold."""

from __future__ import annotations

import io
import tarfile

import pytest

from classifier.errors import ImageTooLargeError, UnreadableImageError
from serving import errors
from serving.requests import MAX_IMAGES, is_archive, unpack


def tar(*images: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in images:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "application/x-image", "", "image/*"]
)
def test_one_image_is_taken_as_any_image_type(kind: str) -> None:
    assert not is_archive(kind)


def test_other_types_are_refused() -> None:
    assert is_archive("application/x-tar; charset=binary")
    with pytest.raises(errors.UnsupportedContentTypeError, match="text/csv"):
        is_archive("text/csv")


def test_an_archive_gives_its_images_in_order() -> None:
    assert unpack(tar(("b", b"2"), ("a", b"1"))) == [("b", b"2"), ("a", b"1")]


@pytest.mark.parametrize("body", [b"", b"no archive at all" * 100, tar()])
def test_a_body_without_images_is_refused(body: bytes) -> None:
    with pytest.raises(errors.MalformedArchiveError):
        unpack(body)


def test_too_many_images_are_refused() -> None:
    with pytest.raises(errors.RequestTooLargeError, match=str(MAX_IMAGES)):
        unpack(tar(*((str(number), b"x") for number in range(MAX_IMAGES + 1))))


def test_every_refusal_has_a_status_and_a_name() -> None:
    assert errors.status(errors.OverloadedError("busy")) == 429
    assert errors.status(UnreadableImageError("bad")) == 400
    assert errors.status(ImageTooLargeError("big")) == 413
    assert errors.body(errors.OverloadedError("busy")) == {"error": "OverloadedError", "message": "busy"}
