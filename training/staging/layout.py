"""
How a folder of pictures tells classes and splits: by the names of its folders. No file is opened.

The settings and the demo ask here, as the staging job does, so that it takes what they took.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from training.errors import SourceError

SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Names of folders that tell a split, in lower case; any case is taken."""
PICTURE_SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Place:
    """A file's class, and the split that its folder names; None when the split is ours to choose."""

    label: str
    split: str | None


def files_below(root: Path) -> list[PurePath]:
    """Return the paths of a folder's files below it, sorted, without those that are none of the source."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [name for name in found if visible(name)]


def only_zip(root: Path) -> Path | None:
    """Return the zip file that is all a folder holds, if it is so."""
    entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    return entries[0] if [entry.suffix.lower() for entry in entries] == [".zip"] else None


def visible(name: PurePath) -> bool:
    """Whether a file is of the source: systems and programs leave others behind."""
    return not any(part.startswith(".") or part in _IGNORED for part in name.parts)


def read_layout(names: Sequence[PurePath]) -> list[Place | None]:
    """
    Return the place of each file, by its path below the source's folder; None for one that is in no class folder.

    Known are ``<class>/…`` and ``train/<class>/…``, that with or without ``validation/`` and ``test/`` beside it, each
    directly or below folders that are the only ones in one another. A source that brings no test split has it made of
    its training pictures.

    Raises
    ------
    SourceError
        When pictures of the classes lie beside ``train`` in a folder that names no split, all folders name splits and
        none is ``train``, or a class is spelt in several ways.
    """
    pictures = [name for name in names if name.suffix.lower() in PICTURE_SUFFIXES]
    # Notes and tables, at whatever depth, say nothing of where the classes are.
    above = _above(pictures or names)
    inner = [name.parts[len(above) :] if name.parts[: len(above)] == above else () for name in names]
    if any(len(parts) > 2 and _split(parts) == "train" for parts in inner):
        places = _in_splits(inner)
    elif splits := _only_splits(inner):
        raise SourceError(
            f"The source folder has {' and '.join(splits)} and no folder of training pictures: call that 'train'."
        )
    else:
        places = [Place(parts[0], None) if len(parts) > 1 else None for parts in inner]
    require_one_spelling((place.label for place in places if place), "source folder")
    return places


def require_one_spelling(labels: Iterable[str], source: str) -> None:
    """
    Refuse classes that differ in case alone: one would be left out without a word, as what nobody asks for is.

    Raises
    ------
    SourceError
    """
    spelt: dict[str, str] = {}
    for label in sorted(set(labels)):
        if (other := spelt.setdefault(label.lower(), label)) != label:
            raise SourceError(
                f"The {source} spells one class in several ways, {other!r} and {label!r}: give all its pictures "
                "one spelling."
            )


def _only_splits(inner: Sequence[Sequence[str]]) -> list[str]:
    """Return the names of the folders if there are several, with folders of pictures, and each names a split."""
    folders = {parts[0]: parts for parts in inner if len(parts) > 2 and _is_picture(parts)}
    named = len(folders) > 1 and all(_split(parts) for parts in folders.values())
    return sorted(folders) if named else []


def _in_splits(inner: Sequence[Sequence[str]]) -> list[Place | None]:
    places = [Place(parts[1], _split(parts)) if len(parts) > 2 else None for parts in inner]
    learnt = {place.label.lower() for place in places if place and place.split == "train"}
    tested = False
    for parts, place in zip(inner, places, strict=True):
        # Tables and notes of a class are no pictures of it.
        if place is None or place.label.lower() not in learnt or not _is_picture(parts):
            continue
        if place.split is None:
            raise SourceError(
                f"The source folder has pictures of {place.label!r} in {parts[0]!r} beside its training "
                "pictures, which names no split: call it 'validation' or 'test', or take it away."
            )
        tested = tested or place.split == "test"
    known = [place if place and place.split else None for place in places]
    return known if tested else [replace(p, split=None) if p and p.split == "train" else p for p in known]


def labels_to_learn(places: Iterable[Place | None]) -> list[str]:
    """Return the classes that have files to train on, sorted."""
    return sorted({place.label for place in places if place and place.split in (None, "train")})


def _split(parts: Sequence[str]) -> str | None:
    return SPLIT_FOLDERS.get(parts[0].lower())


def _is_picture(parts: Sequence[str]) -> bool:
    suffix = PurePath(parts[-1]).suffix.lower()
    return not suffix or suffix in PICTURE_SUFFIXES


def _above(names: Sequence[PurePath]) -> tuple[str, ...]:
    """Return the folders, each the only one in the one before, that lie above the classes or splits."""
    depth = 0
    while True:
        inside = [name.parts for name in names if len(name.parts) > depth + 1]
        folders = {parts[depth] for parts in inside}
        if len(folders) > 1 or any(_split((each,)) == "train" for each in folders):
            return inside[0][:depth]
        if not folders or any(len(parts) == depth + 2 for parts in inside):
            return ()  # it comes to one class: the first folder
        depth += 1
