"""What every source yields: the bytes of one picture with its class, before anybody has looked at them."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from classifier.labels import check_classes
from classifier.preprocessing import Limits
from training.errors import SourceError
from training.reporting import printable
from training.staging.layout import require_one_spelling

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


UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, OSError, ValueError, LookupError),
)
"""What readers raise of a damaged, encrypted or oddly packed member of a zip file, and of what may not be read."""


@dataclass(frozen=True)
class File:
    """
    A file of a source, wherever it lies.

    Parameters
    ----------
    name
        Its relative path.
    size
        Bytes, as far as can be told before it is read.
    read
        Returns its first bytes, as many as it is asked for.
    """

    name: PurePath
    size: int
    read: Callable[[int], bytes]

    @property
    def told(self) -> str:
        """Its name for people, and for files and terminals that take UTF-8 alone."""
        return printable(self.name.as_posix())

    def candidate(self, label: str, split: str | None = None, origin: str = SOURCE) -> Candidate:
        """Read it; what cannot be read, or is larger than a picture may be, is a candidate with that damage."""
        most, data, damage = Limits().max_bytes, b"", ""
        try:
            # What a zip file says of a size need not be true, and a film may be larger than the memory.
            if self.size > most or len(data := self.read(most + 1)) > most:
                damage = f"The file has more than the {most:,} bytes allowed."
        except UNREADABLE as error:
            damage = f"it cannot be read: {str(error).rstrip('.')}."
        return Candidate(self.told, label, b"" if damage else data, split, damage, origin)


def read_start(path: Path, most: int) -> bytes:
    """Return a file's first bytes."""
    with path.open("rb") as stream:
        return stream.read(most)


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
    asked = {name.lower() for name in wanted or present}
    require_one_spelling((name for name in present if name.lower() in asked), source)
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
