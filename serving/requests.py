"""Reads what a request holds: one image, or a tar archive of many."""

from __future__ import annotations

import io
import tarfile

from serving.errors import MalformedArchiveError, RequestTooLargeError, UnsupportedContentTypeError

TAR = "application/x-tar"
MAX_IMAGES = 512


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
        f"The content type {kind} is not answered: send image/*, application/octet-stream or {TAR}."
    )


def unpack(body: bytes) -> list[tuple[str, bytes]]:
    """Return the images of an archive by name, in order.

    Raises
    ------
    MalformedArchiveError, RequestTooLargeError
    """
    images: list[tuple[str, bytes]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isfile() else None
                if content is None:
                    continue
                if len(images) == MAX_IMAGES:
                    raise RequestTooLargeError(f"The archive holds more than {MAX_IMAGES} images.")
                images.append((entry.name, content.read()))
    except tarfile.TarError as error:
        raise MalformedArchiveError(f"The body is no tar archive: {error}.") from error
    if not images:
        raise MalformedArchiveError("The archive holds no images.")
    return images
