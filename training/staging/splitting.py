"""Which split a picture belongs to: by the hash of its group of duplicates, so that it keeps it for good."""

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
    """

    label: str
    group: str
    given: str | None


def position(group: str) -> float:
    """Place of a group in 0…1, uniform over groups and the same wherever and whenever it is asked."""
    return int.from_bytes(hashlib.sha256(f"split:{group}".encode()).digest()[:8]) / 2.0**64


def assign(items: Sequence[Item]) -> list[str]:
    """
    Return each picture's split.

    Notes
    -----
    A group never straddles splits. Where chance leaves a class without a validation or test picture, which
    happens in small sets only, the groups of lowest position move there until it has one.
    """
    own_validation = any(item.given == "validation" for item in items)
    given: dict[str, str] = {}
    for item in items:
        if item.given and _rank(item.given) > _rank(given.get(item.group, "train")):
            given[item.group] = item.given
    placed = {i.group: _place(i, given.get(i.group), own_validation) for i in items}
    _fill(items, placed, given)
    return [placed[item.group] for item in items]


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
        ours[item.group] = item.given is None
    for label in sorted(by_class):
        groups = sorted(by_class[label], key=position)
        for split in ("test", "validation"):
            if any(placed[g] == split for g in groups):
                continue
            free = [g for g in groups if placed[g] == "train" and g not in given]
            free = free if split == "validation" else [g for g in free if ours[g]]
            if len(free) > 1:
                placed[free[0]] = split
