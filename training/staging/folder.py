"""Class folders, as they are or in one zip file."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from training.errors import SourceError, UnsafeArchiveError
from training.staging.candidates import Candidate, choose_classes

_SOURCE = "source folder"
_GIVEN = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_MAX_UNPACKED = 64 * 1024**3
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


class _Tree(Protocol):
    """A source's files by relative path, wherever they lie."""

    def names(self) -> list[PurePosixPath]: ...

    def read(self, name: PurePosixPath) -> bytes: ...


@dataclass(frozen=True)
class _Directory:
    root: Path

    def names(self) -> list[PurePosixPath]:
        return [
            PurePosixPath(p.relative_to(self.root).as_posix()) for p in self.root.rglob("*") if p.is_file()
        ]

    def read(self, name: PurePosixPath) -> bytes:
        return (self.root / name).read_bytes()


@dataclass(frozen=True)
class _Zip:
    archive: zipfile.ZipFile

    def names(self) -> list[PurePosixPath]:
        infos = [info for info in self.archive.infolist() if not info.is_dir()]
        if sum(info.file_size for info in infos) > _MAX_UNPACKED:
            raise UnsafeArchiveError("The zip file would unpack to more than 64 GiB: give a smaller one.")
        return [PurePosixPath(info.filename) for info in infos]

    def read(self, name: PurePosixPath) -> bytes:
        # Members are read into memory by name and never written by it, so no path can leave a folder.
        return self.archive.read(name.as_posix())


@dataclass(frozen=True)
class _Place:
    name: PurePosixPath
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
    tree = _open(root)
    places = _places([name for name in tree.names() if _visible(name)])
    classes = choose_classes({p.label for p in places if p.split in (None, "train")}, wanted, _SOURCE)
    for place in places:
        # Left out without a word otherwise, as classes are that nobody asked for.
        if place.label not in classes and place.label.lower() in map(str.lower, classes):
            raise SourceError(
                f"The source folder spells a class {place.label!r} in {place.name}, and not as it does elsewhere: give "
                "all its pictures one spelling."
            )
    chosen = sorted((p for p in places if p.label in classes), key=lambda p: p.name.as_posix())
    return classes, (_candidate(tree, place) for place in chosen)


def _candidate(tree: _Tree, place: _Place) -> Candidate:
    try:
        return Candidate(str(place.name), place.label, tree.read(place.name), place.split)
    # A member that is damaged, encrypted or packed in a way that Python has not, and a file that may not be read.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        reason = f"it cannot be read: {str(error).rstrip('.')}."
        return Candidate(str(place.name), place.label, b"", place.split, damage=reason)


def _open(root: Path) -> _Tree:
    if not root.is_dir():
        raise SourceError(f"The source folder {root.name!r} does not exist: give a folder of class folders.")
    entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    if not entries:
        raise SourceError("The source folder is empty: it needs one folder of images for each class.")
    if len(entries) == 1 and entries[0].suffix.lower() == ".zip":
        try:
            return _Zip(zipfile.ZipFile(entries[0]))
        except zipfile.BadZipFile as error:
            raise SourceError(f"The file {entries[0].name} is no readable zip file: {error}.") from error
    return _Directory(root)


def _visible(name: PurePosixPath) -> bool:
    return not any(part.startswith(".") or part in _IGNORED for part in name.parts)


def _places(names: list[PurePosixPath]) -> list[_Place]:
    """Read split and class off the paths, below whatever single folder holds them all."""
    skip = 0
    while names and _is_wrapper({n.parts[skip] for n in names if len(n.parts) > skip}, names, skip):
        skip += 1
    split_folders = any(len(n.parts) > skip + 2 and n.parts[skip].lower() == "train" for n in names)
    places = []
    for name in names:
        parts = name.parts[skip:]
        if split_folders and len(parts) >= 3 and parts[0].lower() in _GIVEN:
            places.append(_Place(name, parts[1], _GIVEN[parts[0].lower()]))
        elif not split_folders and len(parts) >= 2:
            places.append(_Place(name, parts[0], None))
    if {p.split for p in places} == {"train"}:
        # Nothing but train/: the split is ours to make.
        places = [_Place(p.name, p.label, None) for p in places]
    return places


def _is_wrapper(tops: set[str], names: list[PurePosixPath], skip: int) -> bool:
    """Whether one folder holds everything and is neither a class nor ``train``: classes lie deeper in it."""
    if len(tops) != 1 or "train" in map(str.lower, tops) or any(len(n.parts) <= skip + 2 for n in names):
        return False
    inner = {n.parts[skip + 1] for n in names}
    return len(inner) > 1 or {name.lower() for name in inner} == {"train"}
