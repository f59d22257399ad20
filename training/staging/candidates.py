"""What every source yields: the bytes of one picture with its class, before anybody has looked at them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from classifier.labels import check_classes
from training.errors import SourceError

SPLITS = ("train", "validation", "test")
SOURCE = "source"
REVIEWED = "reviewed"
"""Where pictures come from: the classifier's source, and what people classified since it is deployed."""


@dataclass(frozen=True)
class Candidate:
    """
    One file of a source.

    Parameters
    ----------
    file
        Its name in the source, for people.
    label
        Its class.
    data
        Its bytes.
    split
        The split that the source gives it (``train`` is still divided into train and validation unless the
        source has a validation split of its own), or None when the split is ours to choose.
    damage
        Why its bytes could not be had; nothing when they could.
    origin
        ``source`` or ``reviewed``.
    """

    file: str
    label: str
    data: bytes
    split: str | None = None
    damage: str = ""
    origin: str = SOURCE


def choose_classes(found: Iterable[str], wanted: Sequence[str], source: str) -> tuple[str, ...]:
    """
    Return the classes to stage: the wanted ones in their order, or all that were found, sorted.

    Raises
    ------
    SourceError
        When a wanted class is missing, or fewer than two remain.
    classifier.errors.LabelsError
        When a name cannot label a model.
    """
    present = sorted(set(found))
    if not present:
        raise SourceError(f"The {source} holds no class: it needs one folder of images for each class.")
    spelt = {name: [other for other in present if other.lower() == name.lower()] for name in present}
    for name in wanted or present:
        if len(several := spelt.get(name, ())) > 1:
            raise SourceError(
                f"The {source} spells one class in several ways, {' and '.join(map(repr, several))}: give all its "
                "pictures one spelling."
            )
    for name in wanted:
        if name not in present:
            alike = [other for other in present if other.lower() == name.lower()]
            hint = f"it writes it {alike[0]!r}" if alike else f"it holds {_some(present)}"
            raise SourceError(f"The class {name!r} is missing in the {source}: {hint}.")
    classes = tuple(wanted) or tuple(present)
    if len(classes) < 2:
        raise SourceError(
            f"The {source} holds one class only, {classes[0]!r}: a classifier needs at least two."
        )
    return check_classes(classes)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
