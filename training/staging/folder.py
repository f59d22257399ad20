"""Class folders, as they are or in one zip file."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath

from training.errors import SourceError, UnsafeArchiveError
from training.staging.candidates import UNREADABLE, Candidate, File, choose_classes, read_start

_SOURCE = "source folder"
_GIVEN = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_MAX_UNPACKED = 64 * 1024**3
_PIECE = 4096
"""Bytes of a member at a time: with LZMA, Python unpacks all of so many packed ones at once."""
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class _Place:
    file: File
    label: str
    split: str | None


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
                f"The source folder spells a class {place.label!r} in {place.file.told}, and not as it does elsewhere: "
                "give all its pictures one spelling."
            )
    chosen = sorted((p for p in places if p.label in classes), key=lambda p: p.file.told)
    return classes, (place.file.candidate(place.label, place.split) for place in chosen)


def _files(root: Path) -> list[File]:
    if not root.is_dir():
        raise SourceError(f"The source folder {root.name!r} does not exist: give a folder of class folders.")
    entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    if not entries:
        raise SourceError("The source folder is empty: it needs one folder of images for each class.")
    if len(entries) == 1 and entries[0].suffix.lower() == ".zip":
        return _members(entries[0])
    return [
        File(path.relative_to(root), path.stat().st_size, partial(read_start, path))
        for path in root.rglob("*")
        if path.is_file()
    ]


def _members(path: Path) -> list[File]:
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise SourceError(f"The file {path.name} is no readable zip file: {error}.") from error
    # Damage can take a member's name; Python's own `is_dir` wants one.
    infos = [info for info in archive.infolist() if info.filename and not info.is_dir()]
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


def _visible(name: PurePath) -> bool:
    return not any(part.startswith(".") or part in _IGNORED for part in name.parts)


def _places(files: list[File]) -> list[_Place]:
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


def _is_wrapper(tops: set[str], names: list[PurePath], skip: int) -> bool:
    """Whether one folder holds everything and is neither a class nor ``train``: classes lie deeper in it."""
    if len(tops) != 1 or "train" in map(str.lower, tops) or any(len(n.parts) <= skip + 2 for n in names):
        return False
    inner = {n.parts[skip + 1] for n in names}
    return len(inner) > 1 or {name.lower() for name in inner} == {"train"}
