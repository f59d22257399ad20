"""Pictures that people classified since a model is live: further candidates beside those of the source."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path

from training.reporting import printable
from training.staging.candidates import REVIEWED, Candidate, File, read_start


def reviewed_candidates(root: Path, classes: Sequence[str]) -> Iterator[Candidate]:
    """
    Yield the files of ``<root>/<class>/<day>/<decision>``; those of a folder that is no class are set aside.

    Their split is ours to make, whatever the source brings. Files beside the folders are none of them: the workflow
    keeps one there, because a job's input must not be empty.
    """
    for path in sorted(root.glob("*/**/*")):
        if not path.is_file():
            continue
        place = path.relative_to(root)
        file = File(Path(REVIEWED, place), path.stat().st_size, partial(read_start, path))
        label = printable(place.parts[0])
        if label in classes:
            yield file.candidate(label, origin=REVIEWED)
        else:
            reason = f"people called it {label!r}, which is none of the classes {', '.join(classes)}"
            yield Candidate(file.told, label, b"", damage=reason, origin=REVIEWED)


def reviewed_on(file: str) -> date | None:
    """Return the day on which the picture of a candidate's file was reviewed; None where its place names no day."""
    try:
        return date.fromisoformat(Path(file).parent.name)
    except ValueError:
        return None
