"""Which split a picture belongs to: the one that it had, or that the hash of its group of duplicates gives it."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

TEST_SHARE = 0.20
VALIDATION_SHARE = 0.15


@dataclass(frozen=True)
class Item:
    """
    What splitting knows of a picture.

    Parameters
    ----------
    label
        Its class.
    group
        Key of its group of duplicates: the lowest pixel hash in it.
    given
        The split that the source gives it, or None.
    known
        The split that an earlier version of the dataset gave it, or None.
    """

    label: str
    group: str
    given: str | None
    known: str | None = None

    @property
    def kept(self) -> str | None:
        """The split that it keeps, unless its source says otherwise; what was tested with is never learnt from."""
        if self.given in (None, "train") or (self.given == "validation" and self.known == "test"):
            return self.known
        return None


def position(group: str) -> float:
    """Place of a group in 0…1, uniform over groups and the same wherever and whenever it is asked."""
    return int.from_bytes(hashlib.sha256(f"split:{group}".encode()).digest()[:8]) / 2.0**64


def assign(items: Sequence[Item]) -> list[str | None]:
    """
    Return each picture's split; None for one that cannot have any.

    Notes
    -----
    A group never straddles splits, and a picture that had one keeps it: newcomers join it. One that is nearly the same
    as pictures of several splits has none, for it would tie together what was apart. Where chance leaves a class
    without a validation or test picture, which happens in small sets only, the groups of lowest position move there
    until it has one.
    """
    own_validation = any(item.given == "validation" for item in items)
    given: dict[str, str] = {}
    for item in items:
        if item.given and _rank(item.given) > _rank(given.get(item.group, "train")):
            given[item.group] = item.given
    for item in items:
        if item.kept == "test" and given.get(item.group) == "validation":
            del given[item.group]
    kept: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.kept and item.group not in given:
            kept[item.group].add(item.kept)
    fixed = given | {group: min(splits) for group, splits in kept.items()}
    # Where a group has pictures of a source that splits itself, and reviewed ones, the source's rule is the group's.
    ruling = {i.group: i for i in sorted(items, key=lambda item: item.given is not None)}
    placed = {group: _place(i, fixed.get(group), own_validation) for group, i in ruling.items()}
    _fill(items, placed, fixed)
    return [placed[item.group] if len(kept.get(item.group, ())) < 2 else item.kept for item in items]


def _rank(split: str) -> int:
    return ("train", "validation", "test").index(split)


def _place(item: Item, given: str | None, own_validation: bool) -> str:
    if given:
        return given
    where = position(item.group)
    if item.given == "train":
        return "validation" if not own_validation and where < _validation_of_train() else "train"
    if where < TEST_SHARE:
        return "test"
    return "validation" if where < TEST_SHARE + VALIDATION_SHARE else "train"


def _validation_of_train() -> float:
    return VALIDATION_SHARE / (1.0 - TEST_SHARE)


def _fill(items: Sequence[Item], placed: dict[str, str], given: dict[str, str]) -> None:
    """Give every class at least one group in each split, taking from training."""
    by_class: dict[str, set[str]] = defaultdict(set)
    ours: dict[str, bool] = {}
    for item in items:
        by_class[item.label].add(item.group)
        ours[item.group] = item.given is None and ours.get(item.group, True)
    for label in sorted(by_class):
        groups = sorted(by_class[label], key=position)
        for split in ("test", "validation"):
            if any(placed[g] == split for g in groups):
                continue
            free = [g for g in groups if placed[g] == "train" and g not in given]
            free = free if split == "validation" else [g for g in free if ours[g]]
            if len(free) > 1:
                placed[free[0]] = split
