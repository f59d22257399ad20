"""Class folders, as they are or in one zip file."""

import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from training.errors import SourceError, UnsafeArchiveError
from training.staging.candidates import UNREADABLE, Candidate, File, choose_classes, read_start
from training.staging.layout import files_below, labels_to_learn, only_zip, read_layout, visible

_SOURCE = "source folder"
_MAX_UNPACKED = 64 * 1024**3
_PIECE = 4096
"""Bytes of a member at a time: with LZMA, Python unpacks all of so many packed ones at once."""


def open_folder(root: Path, wanted: Sequence[str]) -> tuple[tuple[str, ...], Iterator[Candidate]]:
    """
    Find the classes below ``root`` and return them with an iterator over their files.

    What it may look like, in a folder or in one zip file, is `training.staging.layout.read_layout`'s to say.

    Raises
    ------
    SourceError
        When the folder is missing or empty, a wanted class is missing, or there is one class only.
    """
    files = _files(root)
    places = read_layout([file.name for file in files])
    classes = choose_classes(labels_to_learn(places), wanted, _SOURCE)
    placed = ((file, place) for file, place in zip(files, places, strict=True) if place)
    chosen = sorted((each for each in placed if each[1].label in classes), key=lambda each: each[0].told)
    return classes, (file.candidate(place.label, place.split) for file, place in chosen)


def _files(root: Path) -> list[File]:
    if not root.is_dir():
        raise SourceError(f"The source folder {root.name!r} does not exist: give a folder of class folders.")
    if not any(not entry.name.startswith(".") for entry in root.iterdir()):
        raise SourceError("The source folder is empty: it needs one folder of images for each class.")
    if packed := only_zip(root):
        return _members(packed)
    return [
        File(name, (root / name).stat().st_size, partial(read_start, root / name))
        for name in files_below(root)
    ]


def _members(path: Path) -> list[File]:
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise SourceError(f"The file {path.name} is no readable zip file: {error}.") from error
    # Damage can take a member's name; Python's own `is_dir` wants one.
    infos = [info for info in archive.infolist() if info.filename and not info.is_dir()]
    infos = [info for info in infos if visible(PurePosixPath(info.filename))]
    if sum(info.file_size for info in infos) > _MAX_UNPACKED:
        raise UnsafeArchiveError("The zip file would unpack to more than 64 GiB: give a smaller one.")

    def start(info: zipfile.ZipInfo, most: int) -> bytes:
        # Read into memory and never written by its name, so no path can leave a folder.
        if info.compress_type == zipfile.ZIP_BZIP2:
            raise ValueError("bzip2 may unpack a kilobyte to a gigabyte: pack it with deflate")
        content = bytearray()
        with archive.open(info) as member:
            while len(content) < most and (piece := member.read(_PIECE)):
                content += piece
        return bytes(content)

    return [File(PurePosixPath(info.filename), info.file_size, partial(start, info)) for info in infos]
