"""A dataset version: checked pictures, their splits, and the manifest that describes them."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from training.errors import SourceError
from training.staging.candidates import REVIEWED, SPLITS, Candidate
from training.staging.checking import Checked, Reject, check, without_copies
from training.staging.fingerprints import group_near
from training.staging.splitting import Item, assign

FORMAT = 1
MINIMUM_PER_CLASS = 8
LARGE_GROUP = 0.2
"""Share of a class, from which a group of near duplicates is worth a warning."""


@dataclass(frozen=True)
class Picture:
    """One accepted picture; ``file`` is its path in the dataset: split, class and name."""

    file: str
    label: str
    split: str
    original: str
    sha256: str
    pixels: str
    group: str
    width: int
    height: int
    mode: str
    origin: str


@dataclass(frozen=True)
class Dataset:
    """
    What staging decided.

    Parameters
    ----------
    version
        First 16 hexadecimal digits of the hash of every picture's pixels, class and split.
    duplicates
        Files left out because another one of their class has the same pixels.
    """

    version: str
    source: str
    drawings: bool
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    rejects: tuple[Reject, ...]
    duplicates: int

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures by class and split."""
        return count(self.classes, ((p.split, p.label) for p in self.pictures))

    @property
    def reviewed(self) -> int:
        """How many of its pictures people classified since a model is live."""
        return sum(picture.origin == REVIEWED for picture in self.pictures)

    def manifest(self) -> dict[str, object]:
        """Return the contents of manifest.json."""
        return {
            "format": FORMAT,
            "version": self.version,
            "source": self.source,
            "drawings": self.drawings,
            "classes": list(self.classes),
            "counts": self.counts(),
            "duplicates": self.duplicates,
            "reviewed": self.reviewed,
            "rejects": [vars(reject) for reject in self.rejects],
            "images": [vars(picture) for picture in self.pictures],
        }


def count(classes: Iterable[str], pictures: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Return how many pictures, each given by its split and class, there are by class and split."""
    counted = Counter(pictures)
    return {label: {split: counted[split, label] for split in SPLITS} for label in classes}


def build_dataset(
    source: str,
    classes: Sequence[str],
    candidates: Iterable[Candidate],
    *,
    drawings: bool = False,
    known: Mapping[str, str] | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Dataset, dict[str, bytes]]:
    """
    Check every picture, group duplicates, split, and return the dataset with the bytes of each of its files.

    Parameters
    ----------
    known
        Splits that earlier versions gave pictures, by the hash of their pixels: they keep them.

    Raises
    ------
    SourceError
        When a class has too few usable pictures.
    """
    checked, rejects = check(candidates, log)
    kept, more, duplicates = without_copies(checked)
    rejects += more
    groups = _groups(kept)
    splits = assign(
        [
            Item(c.candidate.label, g, c.candidate.split, (known or {}).get(c.pixels))
            for c, g in zip(kept, groups, strict=True)
        ]
    )
    nearer = _nearer_later(kept, groups, splits)
    # A group that a newcomer would tie together from several splits stays as many groups.
    lowest: dict[tuple[str, str | None], str] = {}
    for item, group, split in zip(kept, groups, splits, strict=True):
        lowest[group, split] = min(lowest.get((group, split), item.pixels), item.pixels)
    pictures: list[Picture] = []
    files: dict[str, bytes] = {}
    for row, (item, group, split) in enumerate(zip(kept, groups, splits, strict=True)):
        if row in nearer:
            reason = (
                f"it is nearly the same as a picture of the {nearer[row]} split, and was in another itself"
            )
            rejects.append(Reject(item.candidate.file, reason))
            continue
        # What was tested with before stays there, though its source, which splits itself by now, says otherwise.
        tested = (known or {}).get(item.pixels) == "test"
        if item.candidate.split in ("train", "validation") and split == "test" and not tested:
            rejects.append(
                Reject(item.candidate.file, "it is nearly the same as a picture of the test split")
            )
            continue
        if split is None:
            rejects.append(
                Reject(
                    item.candidate.file,
                    "it is nearly the same as pictures of several splits, which keep theirs",
                )
            )
            continue
        picture = _picture(item, lowest[group, split], split)
        pictures.append(picture)
        files[picture.file] = item.candidate.data
    pictures.sort(key=lambda p: p.file)
    for label in classes:
        own = Counter(picture.group for picture in pictures if picture.label == label)
        if own and max(own.values()) > max(MINIMUM_PER_CLASS, LARGE_GROUP * own.total()):
            log(
                f"warning: of the {own.total()} pictures of {label!r}, {max(own.values())} are near duplicates of one "
                "another, and share a split"
            )
    dataset = Dataset(
        version_of(classes, ((p.file, p.pixels) for p in pictures)),
        source,
        drawings,
        tuple(classes),
        tuple(pictures),
        tuple(rejects),
        duplicates,
    )
    _require_enough(dataset)
    return dataset, files


def _groups(kept: Sequence[Checked]) -> list[str]:
    numbers = group_near([item.near for item in kept])
    lowest: dict[int, str] = {}
    for number, item in zip(numbers, kept, strict=True):
        lowest[number] = min(lowest.get(number, item.pixels), item.pixels)
    return [lowest[number] for number in numbers]


def _nearer_later(
    kept: Sequence[Checked], groups: Sequence[str], splits: Sequence[str | None]
) -> dict[int, str]:
    """
    Return the rows of pictures that are nearly the same as one of a later split, with that split.

    Pictures keep their splits, so one that was away while a near copy of it came may be in another than that copy when
    it is back. What is tested with must not be learnt from: one of them is left out as long as both are there.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row, (group, split) in enumerate(zip(groups, splits, strict=True)):
        if split:
            members[group].append(row)
    # What only a newcomer without a split ties together is apart, so pictures are compared one by one.
    return {
        row: later
        for rows in members.values()
        for row, other in permutations(rows, 2)
        if (later := _later(splits[row], splits[other])) and _near(kept[row], kept[other])
    }


def _later(split: str | None, other: str | None) -> str | None:
    return other if split and other and SPLITS.index(other) > SPLITS.index(split) else None


def _near(first: Checked, second: Checked) -> bool:
    return group_near([first.near, second.near]) == [0, 0]


def _picture(item: Checked, group: str, split: str) -> Picture:
    label = item.candidate.label
    return Picture(
        # Named by content, so that one version always has the same files, whatever the source called them.
        file=f"{split}/{label}/{item.pixels[:20]}{item.extension}",
        label=label,
        split=split,
        original=item.candidate.file,
        sha256=hashlib.sha256(item.candidate.data).hexdigest(),
        pixels=item.pixels,
        group=group[:20],
        width=item.width,
        height=item.height,
        mode=item.mode,
        origin=item.candidate.origin,
    )


def version_of(classes: Sequence[str], pictures: Iterable[tuple[str, str]]) -> str:
    """Return the version that classes and pictures make, each picture given by its file and its pixels' hash."""
    lines = [f"format {FORMAT}", *classes, *sorted(f"{file} {pixels}" for file, pixels in pictures)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _require_enough(dataset: Dataset) -> None:
    for label, counts in dataset.counts().items():
        total = sum(counts.values())
        if total < MINIMUM_PER_CLASS:
            raise SourceError(
                f"The class {label!r} has {total} usable pictures: training needs {MINIMUM_PER_CLASS} at least."
            )
        for split in SPLITS:
            if counts[split] == 0:
                groups = Counter(picture.group for picture in dataset.pictures if picture.label == label)
                (_, largest), *_ = groups.most_common(1)
                near = (
                    f" other than the {largest} of {total} that are near one another" if largest > 1 else ""
                )
                raise SourceError(
                    f"The class {label!r} has no picture for the {split} split: add pictures{near}."
                )


def write_dataset(dataset: Dataset, files: dict[str, bytes], root: Path) -> Path:
    """Write pictures and then manifest.json below ``root/<version>`` and return that folder."""
    folder = root / dataset.version
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    text = json.dumps(dataset.manifest(), indent=1, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return folder
