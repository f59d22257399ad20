"""Reads what is new in the log and among the reviews, and names what cannot be read."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from training.analysis.captured import Answer, read_answers
from training.analysis.records import Prediction, Review, read_prediction, read_review
from training.analysis.state import State
from training.analysis.storage import Place

_GZIP = b"\x1f\x8b"
_HOUR = re.compile(r"^(\d{4})/(\d{2})/(\d{2})/(\d{2})/")
_MOST_NAMED = 20
_Record = TypeVar("_Record", Prediction, Review, Answer)
_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass
class Counts:
    """
    What was met; `broken` has the first names of what could not be read, with the reason.

    Of a shadow's answers, `shadow_skipped` are of no picture of the log, and `shadow_unmatched` were given up.
    """

    files: int = 0
    lines: int = 0
    predictions: int = 0
    rejected: int = 0
    duplicates: int = 0
    reviews: int = 0
    shadow_answers: int = 0
    shadow_skipped: int = 0
    shadow_unmatched: int = 0
    broken_files: int = 0
    broken_lines: int = 0
    broken_reviews: int = 0
    broken: list[str] = field(default_factory=list)

    def name(self, where: str, why: object) -> None:
        """Name something broken, among the first."""
        if len(self.broken) < _MOST_NAMED:
            self.broken.append(f"{where}: {why!r}"[:200])

    def as_dict(self) -> dict[str, Any]:
        """Return it as the analysis has it."""
        return asdict(self)


def new_predictions(
    log: Place, state: State, counts: Counts, now: float, late_hours: float
) -> Iterator[Prediction]:
    """Read the log's decisions that were not met before."""
    for where, line in _new_lines(log, state.files, counts, _horizon(state, now, late_hours)):
        try:
            prediction = read_prediction(line)
        except _WRONG as error:
            counts.broken_lines += 1
            counts.name(where, error)
            continue
        if not state.is_new(prediction.decision_id, now):
            counts.duplicates += 1
            continue
        counts.predictions += not prediction.rejected
        counts.rejected += prediction.rejected
        yield _not_ahead(prediction, now)


def new_answers(
    captured: Place, state: State, counts: Counts, now: float, late_hours: float
) -> Iterator[Answer]:
    """Read a shadow's answers in the files that were not read before; those of no picture of the log are skipped."""
    for where, line in _new_lines(captured, state.shadow.files, counts, _horizon(state, now, late_hours)):
        try:
            answers = read_answers(line)
        except _WRONG as error:
            counts.broken_lines += 1
            counts.name(f"the shadow's {where}", error)
            continue
        counts.shadow_skipped += not answers
        counts.shadow_answers += len(answers)
        yield from (_not_ahead(answer, now) for answer in answers)


def _horizon(state: State, now: float, late_hours: float) -> float:
    """Return since when files are looked for: late ones before the last analysis, however long that is past."""
    return min(now, state.analyzed_at or now) - late_hours * 3600


def _new_lines(place: Place, read: set[str], counts: Counts, horizon: float) -> Iterator[tuple[str, str]]:
    """
    Read the files of the last hours that were not read before; those that came late are found among them.

    Each line comes with its place. In the end ``read`` has the names of all files that would be listed again.
    """
    listed = set()
    for item in place.items(after=datetime.fromtimestamp(horizon, UTC).strftime("%Y/%m/%d/%H")):
        if not _HOUR.match(item.key):
            continue
        listed.add(item.key)
        if item.key in read:
            continue
        counts.files += 1
        try:
            text = _text(item.key, place.read(item.key))
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            counts.broken_files += 1
            counts.name(item.key, error)
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                counts.lines += 1
                yield f"{item.key}, line {number}", line
    read.clear()
    read.update(listed)


def _text(key: str, content: bytes | None) -> str:
    if content is None:
        raise FileNotFoundError(key)
    return (gzip.decompress(content) if content.startswith(_GZIP) else content).decode()


def new_reviews(
    reviews: Place, state: State, counts: Counts, now: float, late_hours: float
) -> Iterator[Review]:
    """
    Read the reviews that were not read before.

    A review has one file, which may be written again as it was. So a file is read when it is young or there was no
    analysis before, and counts when it was not met before and the person did not answer long ago.
    """
    first = not state.analyzed_at
    horizon = state.analyzed_at - late_hours * 3600
    for item in reviews.items():
        if not item.key.endswith(".json") or (not first and item.modified < horizon):
            continue
        content = reviews.read(item.key)
        try:
            review = read_review(content or b"")
        except _WRONG as error:
            # Once only: a file is listed again until it has left the horizon.
            if state.is_new(f"broken review {item.key} {item.modified}", now):
                counts.broken_reviews += 1
                counts.name(item.key, error)
            continue
        if not first and review.at < horizon - late_hours * 3600:
            counts.duplicates += 1
        elif state.is_new(f"review {review.decision_id}", now):
            counts.reviews += 1
            yield _not_ahead(review, now)


def _not_ahead(record: _Record, now: float) -> _Record:
    """Correct a clock that is ahead: else its model would serve for ever, and its window or its review never age."""
    return replace(record, at=min(record.at, now))
