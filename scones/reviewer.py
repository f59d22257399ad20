"""Shows a person one picture after another, and takes the answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from scones.answers import Answers
from scones.errors import ReviewError
from scones.preview import preview
from scones.review import NONE, Answered, ReviewQueue, Waiting
from scones.terminal import RESULT, note, printable

SKIP, QUIT = "skip", "quit"
KEPT_DAYS = 14
"""That the review queue keeps a message."""


@dataclass
class Tally:
    """What came of a session; `failed` are messages and answers that could not be used, `oldest` the oldest skipped."""

    stored: int = 0
    already: int = 0
    skipped: int = 0
    failed: int = 0
    oldest: datetime | None = None

    def skip(self, waiting: Waiting) -> None:
        """Count a picture that waits on."""
        self.skipped += 1
        self.oldest = min(self.oldest or waiting.since, waiting.since)

    @property
    def sentence(self) -> str:
        """The session in one sentence."""
        # SQS's age of the oldest message leaves out what was received three times, so no alarm would tell.
        oldest = ""
        if self.oldest:
            days = (datetime.now(UTC) - self.oldest).total_seconds() / 86_400
            oldest = f" (the oldest for {days:.1f} days; after {KEPT_DAYS} it is forgotten)"
        return (
            f"{self.stored} stored, {self.already} answered already, {self.skipped} skipped and waiting on{oldest}, "
            f"{self.failed} that could not be used."
        )


def ask(queue: ReviewQueue, by: str, read: Callable[[str], str]) -> Tally:
    """Go through what waits with a person, until nothing does or the person quits.

    Pictures are kept in a folder only as long as this runs: they are other people's.
    """
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="scones-review-") as folder:
        for each in queue.waiting():
            if isinstance(each, ReviewError):
                _unusable(each, tally)
                continue
            _show(queue, each, Path(folder))
            said = _choose(each, read)
            if said == QUIT:
                break
            if said == SKIP:
                tally.skip(each)
                continue
            _store(queue, each, said, by, tally)
    return tally


def apply(queue: ReviewQueue, by: str, answers: Answers) -> Tally:
    """Go through what waits with a file's answers, until nothing waits or each answer met its picture."""
    tally = Tally()
    for error in answers.resolve(queue.decisions_on):
        _unusable(error, tally)
    if not answers.missing:
        return tally
    for each in queue.waiting():
        if isinstance(each, ReviewError):
            _unusable(each, tally)
            continue
        said = answers.of(each)
        if said is None:
            tally.skip(each)
            continue
        _store(queue, each, said, by, tally)
        if not answers.missing:
            break
    return tally


def _unusable(error: ReviewError, tally: Tally) -> None:
    note(f"error: {error}")
    tally.failed += 1


def _store(queue: ReviewQueue, waiting: Waiting, said: str, by: str, tally: Tally) -> None:
    try:
        stands = queue.answer(waiting, said, by)
    except ReviewError as error:
        _unusable(error, tally)
        return
    typer.echo(printable(_sentence(waiting, stands)))
    tally.stored += stands.mine
    tally.already += not stands.mine


def _sentence(waiting: Waiting, stands: Answered) -> str:
    if stands.mine:
        return f"{waiting.object}: {stands.said}, stored for {stands.by}."
    return (
        f"{waiting.object} was answered already: {stands.said}, by {stands.by} at {stands.at}; that stands."
    )


def _show(queue: ReviewQueue, waiting: Waiting, folder: Path) -> None:
    probabilities = ", ".join(f"{name} {each:.3f}" for name, each in waiting.probabilities.items())
    typer.echo(f"\n{printable(waiting.object)}")
    typer.echo(f"  here because: {waiting.why}")
    typer.echo(f"  model says:   {waiting.predicted}, {waiting.confidence:.3f} ({probabilities})")
    try:
        name, content = queue.picture(waiting)
    except ReviewError as error:
        note(f"  {error}")
        return
    path = folder / name
    path.write_bytes(content)
    typer.echo(f"  picture:      {path}")
    if RESULT.is_terminal and (drawn := preview(content)) is not None:
        RESULT.print(drawn)


def _choose(waiting: Waiting, read: Callable[[str], str]) -> str:
    """Ask until the answer is a class, by number or name, or one of the other words."""
    words = (*waiting.classes, NONE)
    menu = "  ".join(f"{number} {name}" for number, name in enumerate(words, start=1))
    while True:
        try:
            said = read(f"{menu}  {SKIP}  {QUIT} > ").strip()
        except EOFError:
            return QUIT
        except UnicodeDecodeError:
            note("That is no text in this terminal's encoding: give a number.")
            continue
        if said in (*words, SKIP, QUIT):
            return said
        if said.isdecimal() and 1 <= int(said) <= len(words):
            return words[int(said) - 1]
        note(f"{said!r} is none of these: give a number, a name, {SKIP} or {QUIT}.")
