"""Class folders, as they are or in one zip file."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from classifier.preprocessing import Limits
from training.errors import SourceError, UnsafeArchiveError
from training.reporting import printable
from training.staging.candidates import Candidate, choose_classes

_SOURCE = "source folder"
_GIVEN = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_MAX_UNPACKED = 64 * 1024**3
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, OSError, ValueError, LookupError),
)
"""What readers raise of a damaged, encrypted or oddly packed member of a zip file, and of what may not be read."""


@dataclass(frozen=True)
class _File:
    """A source's file, wherever it lies: its relative path, its size in bytes, and what reads it."""

    name: PurePosixPath
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class _Place:
    file: _File
    label: str
    split: str | None

    @property
    def name(self) -> str:
        """The file's path, for people."""
        return printable(str(self.file.name))


def open_folder(root: Path, wanted: Sequence[str]) -> tuple[tuple[str, ...], Iterator[Candidate]]:
    """
    Find the classes below ``root`` and return them with an iterator over their files.

    Accepted are ``<class>/…``, ``train/<class>/…`` and that with ``validation/`` or ``test/`` beside it,
    directly, below one single folder, or in one zip file.

    Raises
    ------
    SourceError
        When the folder is missing or empty, a wanted class is missing, or there is one class only.
    """
    places = _places([file for file in _files(root) if _visible(file.name)])
    classes = choose_classes({p.label for p in places if p.split in (None, "train")}, wanted, _SOURCE)
    for place in places:
        # Left out without a word otherwise, as classes are that nobody asked for.
        if place.label not in classes and place.label.lower() in map(str.lower, classes):
            raise SourceError(
                f"The source folder spells a class {place.label!r} in {place.name}, and not as it does elsewhere: give "
                "all its pictures one spelling."
            )
    chosen = sorted((p for p in places if p.label in classes), key=lambda p: p.name)
    return classes, map(_candidate, chosen)


def _candidate(place: _Place) -> Candidate:
    most = Limits().max_bytes
    if place.file.size > most:
        # Not even read: a film among the pictures may be larger than the memory.
        reason = f"The file has {place.file.size:,} bytes, more than the {most:,} allowed."
        return Candidate(place.name, place.label, b"", place.split, damage=reason)
    try:
        return Candidate(place.name, place.label, place.file.read(), place.split)
    except _UNREADABLE as error:
        reason = f"it cannot be read: {str(error).rstrip('.')}."
        return Candidate(place.name, place.label, b"", place.split, damage=reason)


def _files(root: Path) -> list[_File]:
    if not root.is_dir():
        raise SourceError(f"The source folder {root.name!r} does not exist: give a folder of class folders.")
    entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    if not entries:
        raise SourceError("The source folder is empty: it needs one folder of images for each class.")
    if len(entries) == 1 and entries[0].suffix.lower() == ".zip":
        return _members(entries[0])
    return [
        _File(PurePosixPath(path.relative_to(root).as_posix()), path.stat().st_size, path.read_bytes)
        for path in root.rglob("*")
        if path.is_file()
    ]


def _members(path: Path) -> list[_File]:
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise SourceError(f"The file {path.name} is no readable zip file: {error}.") from error
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in infos) > _MAX_UNPACKED:
        raise UnsafeArchiveError("The zip file would unpack to more than 64 GiB: give a smaller one.")
    # Read into memory and never written by their names, so no path can leave a folder.
    return [
        _File(PurePosixPath(info.filename), info.file_size, partial(archive.read, info)) for info in infos
    ]


def _visible(name: PurePosixPath) -> bool:
    return not any(part.startswith(".") or part in _IGNORED for part in name.parts)


def _places(files: list[_File]) -> list[_Place]:
    """Read split and class off the paths, below whatever single folder holds them all."""
    names = [file.name for file in files]
    skip = 0
    while names and _is_wrapper({n.parts[skip] for n in names if len(n.parts) > skip}, names, skip):
        skip += 1
    split_folders = any(len(n.parts) > skip + 2 and n.parts[skip].lower() == "train" for n in names)
    places = []
    for file in files:
        parts = file.name.parts[skip:]
        if split_folders and len(parts) >= 3 and parts[0].lower() in _GIVEN:
            places.append(_Place(file, parts[1], _GIVEN[parts[0].lower()]))
        elif not split_folders and len(parts) >= 2:
            places.append(_Place(file, parts[0], None))
    if {p.split for p in places} == {"train"}:
        # Nothing but train/: the split is ours to make.
        places = [replace(place, split=None) for place in places]
    return places


def _is_wrapper(tops: set[str], names: list[PurePosixPath], skip: int) -> bool:
    """Whether one folder holds everything and is neither a class nor ``train``: classes lie deeper in it."""
    if len(tops) != 1 or "train" in map(str.lower, tops) or any(len(n.parts) <= skip + 2 for n in names):
        return False
    inner = {n.parts[skip + 1] for n in names}
    return len(inner) > 1 or {name.lower() for name in inner} == {"train"}
