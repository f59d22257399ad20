"""Reads what a request holds: one image, or a tar archive of many."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import AsyncIterator
from typing import Any

from classifier.errors import ImageTooLargeError
from serving.errors import MalformedArchiveError, RequestTooLargeError, UnsupportedContentTypeError

TAR = "application/x-tar"
MAX_IMAGES = 512
MAX_ENTRIES = 4 * MAX_IMAGES
"""Folders and links count here: an archive of nothing else, or one that leads back to its start, ends too."""
MAX_IMAGE_BYTES = 6 * 1024 * 1024
"""What an invocation of an endpoint can carry."""
MAX_ARCHIVE_BYTES = 32 * 1024 * 1024
"""More than an invocation carries: batch transform may send more."""
_LONG_NUMBER = re.compile(rb"(?<!\d)\d{256}")
"""No file's name has room for one. Older Pythons search an extended header that has in the square of its time, and
nothing else of the process runs meanwhile: https://github.com/python/cpython/issues/121285"""
MAX_EXTENDED = 256 * 1024
"""Bytes of one extended header, which is searched in one step that lets nothing else run."""


class _Entry(tarfile.TarInfo):
    """An entry whose extended headers are small, and have no number without an end."""

    def _proc_pax(self, archive: tarfile.TarFile) -> Any:
        if self.size > MAX_EXTENDED:
            raise tarfile.ReadError("an extended header is larger than any name")
        source: Any = archive.fileobj
        start = source.tell()
        if _LONG_NUMBER.search(source.read(self.size)):
            raise tarfile.ReadError("an extended header holds a number that has no end")
        source.seek(start)
        return super()._proc_pax(archive)  # type: ignore[misc]


def is_archive(content_type: str) -> bool:
    """Say whether a request holds many images.

    Raises
    ------
    UnsupportedContentTypeError
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == TAR:
        return True
    if kind in ("", "application/octet-stream", "application/x-image") or kind.startswith("image/"):
        return False
    raise UnsupportedContentTypeError(
        f"The content type {kind[:100]} is not answered: send image/*, application/octet-stream or {TAR}."
    )


async def read(stream: AsyncIterator[bytes], *, archive: bool) -> bytes:
    """Return a body, and stop reading where it gets too large.

    Raises
    ------
    RequestTooLargeError, classifier.errors.ImageTooLargeError
    """
    limit = MAX_ARCHIVE_BYTES if archive else MAX_IMAGE_BYTES
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            kind = RequestTooLargeError if archive else ImageTooLargeError
            raise kind(f"The request has more than the {limit:,} bytes allowed: send less.")
    return bytes(body)


def unpack(body: bytes) -> list[tuple[str, bytes]]:
    """Return the images of an archive by name, in order.

    Raises
    ------
    MalformedArchiveError, RequestTooLargeError
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:", tarinfo=_Entry) as archive:
            images = _images(archive, len(body))
            # At a damaged header, or where the body was cut off, tarfile ends without a word; at zeros, too.
            end = body[archive.offset :]
            if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
                raise MalformedArchiveError(
                    "The archive has no end, or something behind it: it was cut off, or is damaged; send it again."
                )
    # What tarfile lets through of hostile headers: numbers, names and chains of extensions that make no sense.
    except (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError) as error:
        raise MalformedArchiveError(f"The body is no tar archive: {str(error).rstrip('.')}.") from error
    if not images:
        raise MalformedArchiveError("The archive holds no images: put at least one file into it.")
    return images


def _images(archive: tarfile.TarFile, size: int) -> list[tuple[str, bytes]]:
    images: list[tuple[str, bytes]] = []
    for number, entry in enumerate(archive):
        if number == MAX_ENTRIES:
            raise RequestTooLargeError(
                f"The archive holds more than {MAX_ENTRIES} entries: send fewer at once."
            )
        if not entry.isfile():
            continue
        if len(images) == MAX_IMAGES:
            raise RequestTooLargeError(
                f"The archive holds more than {MAX_IMAGES} images: send fewer at once."
            )
        if entry.issparse() or not 0 <= entry.size <= size:
            # A sparse file of a few bytes can unpack to any size.
            raise MalformedArchiveError(f"The entry {entry.name!r} has no size that fits its archive.")
        content = archive.extractfile(entry)
        if content is not None:
            # What is no UTF-8 in a name would be none in the answer either.
            images.append((entry.name.encode("utf-8", "backslashreplace").decode(), content.read()))
    return images
