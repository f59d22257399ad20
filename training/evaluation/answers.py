"""What a transform job wrote: one answer for each picture of the test split."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.artifact import EMBEDDING, is_confident
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
        When there is nothing, an answer is not of the agreed shape or contradicts itself, or they are of several
        models.
    """
    answers = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        file = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        try:
            answers.append(_answer(file, json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"The answer {file} is not of the agreed shape: {error!r}.") from error
    if not answers:
        raise EvaluationError(f"There are no answers to evaluate in {folder}: did the transform job run?")
    versions = sorted({answer.model_version for answer in answers})
    if len(versions) > 1 or len({answer.threshold for answer in answers}) > 1:
        raise EvaluationError(f"The answers are of several models ({', '.join(versions)}): transform again.")
    return answers


def _answer(file: str, raw: Mapping[str, Any]) -> Answer:
    answer = Answer(
        file=file,
        expected=file.partition("/")[0],
        predicted=raw["class"],
        confidence=float(raw["confidence"]),
        confident=raw["confident"],
        threshold=float(raw["threshold"]),
        model_version=str(raw["model_version"]),
        image={name: float(value) for name, value in raw["image"].items() if isinstance(value, int | float)},
        embedding=tuple(float(value) for value in raw["embedding"]),
    )
    if not isinstance(answer.predicted, str):
        raise TypeError(f"class {answer.predicted!r}")
    for name in ("confidence", "threshold"):
        if not 0.0 <= getattr(answer, name) <= 1.0:
            raise EvaluationError(
                f"The answer {file} has a {name} of {getattr(answer, name)}, and it is from 0 to 1: transform again."
            )
    if answer.confident is not is_confident(answer.confidence, answer.threshold):
        raise EvaluationError(
            f"The answer {file} says confident {json.dumps(answer.confident)} with a confidence of "
            f"{answer.confidence:g} and a threshold of {answer.threshold:g}: transform again."
        )
    if len(answer.embedding) != EMBEDDING or not all(map(math.isfinite, answer.embedding)):
        raise EvaluationError(
            f"The answer {file} has no embedding of {EMBEDDING} finite numbers: transform again."
        )
    return answer
