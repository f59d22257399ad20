"""Turns what a person names at the terminal into images with object keys of their own."""

from __future__ import annotations

import mimetypes
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scones.errors import FilesError

SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}
NO_XML = "\ufffe\uffff"
"""With the control characters, what S3's lists, which are XML, cannot hold."""
KEY_BYTES = 1024
"""S3's limit on a key."""


@dataclass(frozen=True)
class Image:
    """A file to classify, and the object that it becomes."""

    path: Path
    key: str

    @property
    def content_type(self) -> str:
        """What S3 records about it."""
        return mimetypes.guess_type(self.path.name)[0] or "application/octet-stream"


def expand(arguments: Iterable[Path]) -> list[Path]:
    """List the files: those named, whatever they are, and the images of the folders named.

    Raises
    ------
    FilesError
    """
    found: list[Path] = []
    for argument in arguments:
        if argument.is_dir():
            images = sorted(
                each
                for each in argument.rglob("*")
                if each.suffix.lower() in SUFFIXES and each.is_file() and not each.name.startswith(".")
            )
            if not images:
                raise FilesError(f"The folder {argument} holds no image: name one that does, or files.")
            found += images
        elif argument.is_file():
            found.append(argument)
        else:
            raise FilesError(f"There is no file or folder {argument}: correct the name.")
    return found


def new_batch() -> str:
    """Return a folder's name that no other upload has: the time, and something drawn."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def name_objects(paths: Iterable[Path], classifier: str, *, batch: str | None = None) -> list[Image]:
    """Give every file a key of its own that ends in its name.

    Keys are `<classifier>/<batch>/<name>`; a second file of the same name gets a folder of its own.

    Raises
    ------
    FilesError
    """
    batch = batch or new_batch()
    taken: dict[str, int] = {}
    images: list[Image] = []
    for path in paths:
        seen = taken[path.name] = taken.get(path.name, 0) + 1
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise FilesError(f"The file name {path.name!r} is not valid UTF-8: rename the file.") from None
        if any(each < " " or each in NO_XML for each in path.name):
            raise FilesError(
                f"The file name {path.name!r} holds a character that S3 can neither list nor delete: rename the file."
            )
        key = "/".join((classifier, batch, *((str(seen),) if seen > 1 else ()), path.name))
        if len(key.encode()) > KEY_BYTES:
            raise FilesError(f"The file name {path.name} is too long for S3: rename the file.")
        images.append(Image(path, key))
    return images
