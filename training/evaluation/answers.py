"""What a transform job wrote: one answer for each picture of the test split."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import EvaluationError

SUFFIX = ".out"


@dataclass(frozen=True)
class Answer:
    """
    One test picture's answer.

    Parameters
    ----------
    file
        `<class>/<name>`.
    image
        What was measured on the picture, as far as it is a number.
    embedding
        The projection of the network's features, 8 numbers.
    """

    file: str
    expected: str
    predicted: str
    confidence: float
    confident: bool
    threshold: float
    model_version: str
    image: Mapping[str, float]
    embedding: tuple[float, ...]

    @property
    def correct(self) -> bool:
        """Whether the class is the right one."""
        return self.predicted == self.expected


def read_answers(folder: Path) -> list[Answer]:
    """
    Read what a transform job wrote.

    Raises
    ------
    EvaluationError
        When there is nothing, or an answer is not of the agreed shape.
    """
    answers = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        file = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            answers.append(
                Answer(
                    file=file,
                    expected=file.partition("/")[0],
                    predicted=raw["class"],
                    confidence=float(raw["confidence"]),
                    confident=bool(raw["confident"]),
                    threshold=float(raw["threshold"]),
                    model_version=str(raw["model_version"]),
                    image={
                        name: float(value)
                        for name, value in raw["image"].items()
                        if isinstance(value, int | float)
                    },
                    embedding=tuple(float(value) for value in raw["embedding"]),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"The answer {file} is not of the agreed shape: {error!r}.") from error
    if not answers:
        raise EvaluationError(f"There are no answers to evaluate in {folder}: did the transform job run?")
    return answers
