"""Reads what is new in the log and among the reviews, and names what cannot be read."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from training.analysis.records import Prediction, Review, read_prediction, read_review
from training.analysis.state import State
from training.analysis.storage import Place

_GZIP = b"\x1f\x8b"
_HOUR = re.compile(r"^(\d{4})/(\d{2})/(\d{2})/(\d{2})/")
_MOST_NAMED = 20
_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass
class Counts:
    """What was met; `broken` has the first names of what could not be read, with the reason."""

    files: int = 0
    lines: int = 0
    predictions: int = 0
    rejected: int = 0
    duplicates: int = 0
    reviews: int = 0
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
    """Read the files of the last hours that were not read before; those that came late are found among them."""
    horizon = now - late_hours * 3600
    listed = set()
    for item in log.items(after=datetime.fromtimestamp(horizon, UTC).strftime("%Y/%m/%d/%H")):
        if not _HOUR.match(item.key):
            continue
        listed.add(item.key)
        if item.key not in state.files:
            counts.files += 1
            yield from _predictions(item.key, log.read(item.key), state, counts, now)
    state.files = listed


def _predictions(
    key: str, content: bytes | None, state: State, counts: Counts, now: float
) -> Iterator[Prediction]:
    try:
        if content is None:
            raise FileNotFoundError(key)
        text = (gzip.decompress(content) if content.startswith(_GZIP) else content).decode()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        counts.broken_files += 1
        counts.name(key, error)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        counts.lines += 1
        try:
            prediction = read_prediction(line)
        except _WRONG as error:
            counts.broken_lines += 1
            counts.name(f"{key}, line {number}", error)
            continue
        if not state.is_new(prediction.decision_id, now):
            counts.duplicates += 1
            continue
        counts.predictions += not prediction.rejected
        counts.rejected += prediction.rejected
        yield prediction


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
            yield review
