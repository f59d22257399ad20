"""The official CIFAR-100 archive for Python: pictures of chosen classes, with its own test split."""

import io
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.errors import SourceError, UnsafeArchiveError
from training.staging.candidates import Candidate, choose_classes
from training.staging.download import download
from training.staging.pickles import read_pickle

MEMBERS = ("meta", "train", "test")
_SIDE = 32
_SOURCE = "CIFAR-100 archive"
_MAX_MEMBER = 256 * 1024**2
"""Bytes; the largest file of the official archive has 155 million."""
_MAX_NAME = 255


def open_cifar100(
    url: str, md5: str, wanted: Sequence[str], cache: Path, log: Callable[[str], None] = print
) -> tuple[tuple[str, ...], Iterator[Candidate]]:
    """
    Fetch the archive, check it, and return the classes with an iterator over their pictures as PNG files.

    Raises
    ------
    DownloadError, ChecksumError, UnsafeArchiveError, SourceError
        When it cannot be fetched, is not the file that ``md5`` names, holds what no image data needs, or
        lacks a class.
    """
    cache.mkdir(parents=True, exist_ok=True)
    archive = download(url, cache / f"cifar-100-python-{md5.lower()}.tar.gz", md5, log)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        parts = {name: read_pickle(_extract(archive, name, Path(folder))) for name in MEMBERS}
    try:
        names = [_text(name) for name in _list(parts["meta"], b"fine_label_names")]
        if len(set(names)) < len(names):
            raise ValueError("a class that is named twice")
        classes = choose_classes(names, wanted, _SOURCE)
        splits = {split: _split(parts[split]) for split in ("train", "test")}
        if odd := [
            label for labels, _, _ in splits.values() for label in labels if not 0 <= label < len(names)
        ]:
            raise ValueError(f"the label {odd[0]} for {len(names)} names")
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"The {_SOURCE} is not laid out as expected: {error!r}.") from error
    return classes, _candidates(names, classes, splits)


def _extract(archive: Path, name: str, folder: Path) -> Path:
    """Copy the one regular file ``*/name`` out of the archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isfile() and member.name.rsplit("/", 1)[-1] == name:
                    stream = tar.extractfile(member)
                    if member.size > _MAX_MEMBER or stream is None:
                        break
                    target = folder / name
                    target.write_bytes(stream.read())
                    return target
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise UnsafeArchiveError(f"The {_SOURCE} cannot be unpacked: {error}.") from error
    raise SourceError(f"The {_SOURCE} holds no usable file {name!r}: it is not the Python version.")


_Split = tuple[list[int], list[str], Any]


def _split(part: dict[Any, Any]) -> _Split:
    labels = _list(part, b"fine_labels")
    if any(type(label) is not int for label in labels):
        raise ValueError("a label that is no whole number")
    files = [_text(name, errors="replace") for name in _list(part, b"filenames")]
    pixels = part[b"data"]
    if not isinstance(pixels, np.ndarray):
        raise ValueError("pixels that are no array")
    if (
        pixels.dtype != np.uint8
        or pixels.shape != (len(labels), 3 * _SIDE * _SIDE)
        or len(files) != len(labels)
    ):
        raise ValueError(f"{pixels.dtype} pixels of shape {pixels.shape} for {len(labels)} labels")
    return labels, files, pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)


def _list(part: dict[Any, Any], key: bytes) -> list[Any]:
    if not isinstance(part[key], list):
        raise ValueError(f"{key.decode()} that are no list")
    return list(part[key])


def _text(name: object, errors: str = "strict") -> str:
    if not isinstance(name, bytes | str) or len(name) > _MAX_NAME:
        raise ValueError(f"a name that is no text of up to {_MAX_NAME} characters")
    return name.decode(errors=errors) if isinstance(name, bytes) else name


def _candidates(
    names: Sequence[str], classes: Sequence[str], splits: dict[str, _Split]
) -> Iterator[Candidate]:
    for split, (labels, files, pixels) in splits.items():
        for label, file, picture in zip(labels, files, pixels, strict=True):
            if names[label] in classes:
                buffer = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
                yield Candidate(f"{split}/{file}", names[label], buffer.getvalue(), split)
