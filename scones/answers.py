"""Answers from a file: for scripts and tests, and for what was looked at elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scones.errors import ReviewError
from scones.review import Waiting

DECISION, OBJECT = "decision_id", "object"


@dataclass
class Answers:
    """Class by decision, and by object; of those `given`, `missing` are what no waiting picture has met yet."""

    decisions: dict[str, str]
    objects: Mapping[str, str]
    missing: set[str] = field(init=False)
    given: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = {*self.decisions, *self.objects}
        self.given = len(self.missing)

    def resolve(self, decisions_on: Callable[[str], Sequence[str]]) -> Iterator[ReviewError]:
        """Find the decision on each object, and yield why an answer is left out that might be another's.

        Parameters
        ----------
        decisions_on
            Returns the ids of the decisions on an object.
        """
        for name, said in self.objects.items():
            found = decisions_on(name)
            if not found:
                continue
            self.missing.discard(name)
            if len(found) > 1:
                yield ReviewError(
                    f"{name} was written again, and an answer to it may be meant for any of {len(found)} pictures: "
                    f"give the decision_id in its place, one of {', '.join(found)}."
                )
            elif (other := self.decisions.setdefault(found[0], said)) != said:
                self.missing.discard(found[0])
                del self.decisions[found[0]]
                yield ReviewError(
                    f"{name} was answered {said!r}, and its decision {found[0]} {other!r}: leave one out."
                )
            else:
                self.missing.add(found[0])

    def of(self, waiting: Waiting) -> str | None:
        """Return the answer to a picture, if there is one."""
        self.missing.discard(waiting.decision_id)
        return self.decisions.get(waiting.decision_id)

    def require_all_met(self) -> None:
        """See that every answer met its picture.

        Raises
        ------
        ReviewError
        """
        if self.missing:
            raise ReviewError(
                f"{len(self.missing)} of {self.given} answers met no picture that waits, {min(self.missing)} for "
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
        # Editors begin with a mark of their own; JSON's text may hold what else would end a line.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"The file of answers {path} cannot be read: {error}.") from error
    given: dict[str, dict[str, str]] = {DECISION: {}, OBJECT: {}}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        kind, key, said = _answer(line, f"{path}, line {number}")
        if given[kind].setdefault(key, said) != said:
            raise ReviewError(
                f"{path}, line {number}: {key} was answered {given[kind][key]!r} before: leave one out."
            )
    if not any(given.values()):
        raise ReviewError(f"The file of answers {path} holds none: give one JSON object a line.")
    return Answers(given[DECISION], given[OBJECT])


def _answer(line: str, where: str) -> tuple[str, str, str]:
    wanted = 'one JSON object with "class" and either "object" or "decision_id" is wanted, each a text'
    try:
        content = json.loads(line)
    except ValueError as error:
        raise ReviewError(f"{where} is no JSON: {wanted}.") from error
    keys = [name for name in (DECISION, OBJECT) if isinstance(content, dict) and name in content]
    if len(keys) != 1 or set(content) != {*keys, "class"}:
        raise ReviewError(f"{where}: {wanted}.")
    key, said = content[keys[0]], content["class"]
    if not all(isinstance(each, str) and each for each in (key, said)):
        raise ReviewError(f"{where}: {wanted}.")
    return keys[0], key, said
