"""Answers from a file: for scripts and tests, and for what was looked at elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scones.errors import ReviewError
from scones.review import Waiting

NAMES = ("decision_id", "object")


@dataclass
class Answers:
    """Class by decision or object; `missing` are those that no waiting picture has met yet."""

    given: Mapping[str, str]
    missing: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = set(self.given)

    def of(self, waiting: Waiting) -> str | None:
        """Return the answer to a picture, if there is one."""
        for name in NAMES:
            if (key := getattr(waiting, name)) in self.given:
                self.missing.discard(key)
                return self.given[key]
        return None

    def require_all_met(self) -> None:
        """See that every answer met its picture.

        Raises
        ------
        ReviewError
        """
        if self.missing:
            raise ReviewError(
                f"{len(self.missing)} of {len(self.given)} answers met no picture that waits, {min(self.missing)} for "
                "one: it is not in the review queue, or somebody has it."
            )


def read_answers(path: Path) -> Answers:
    """Read JSON lines: `{"object": …, "class": …}`, or `decision_id` in place of the object.

    Raises
    ------
    ReviewError
        Before anything is answered, when a line is not of this shape or two contradict each other.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"The file of answers {path} cannot be read: {error}.") from error
    given: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, said = _answer(line, f"{path}, line {number}")
        if given.setdefault(key, said) != said:
            raise ReviewError(
                f"{path}, line {number}: {key} was answered {given[key]!r} before: leave one out."
            )
    if not given:
        raise ReviewError(f"The file of answers {path} holds none: give one JSON object a line.")
    return Answers(given)


def _answer(line: str, where: str) -> tuple[str, str]:
    wanted = 'one JSON object with "class" and either "object" or "decision_id" is wanted, each a text'
    try:
        content = json.loads(line)
    except ValueError as error:
        raise ReviewError(f"{where} is no JSON: {wanted}.") from error
    keys = [name for name in NAMES if isinstance(content, dict) and name in content]
    if len(keys) != 1 or set(content) != {*keys, "class"}:
        raise ReviewError(f"{where}: {wanted}.")
    key, said = content[keys[0]], content["class"]
    if not all(isinstance(each, str) and each for each in (key, said)):
        raise ReviewError(f"{where}: {wanted}.")
    return key, said
