"""What the model was made with and how it answered, as the baseline that live traffic is compared with."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from classifier.card import ModelCard
from classifier.image_statistics import MEASURES
from classifier.preprocessing import decode_pixels
from training.errors import EvaluationError
from training.evaluation.answers import Answer

MOST = 2000
"""Pictures, and answers, that are kept: tests gain little from more, and the file stays small."""
_Named = TypeVar("_Named")


def baseline(card: ModelCard, answers: Sequence[Answer], splits: Sequence[Path]) -> dict[str, Any]:
    """
    Return the baseline of one model.

    Parameters
    ----------
    answers
        The serving container's, to the source's pictures of the test split: the network learnt from none of them, so
        its confidence in them is that of new ones. Reviewed pictures are left out: most were reviewed because a model
        was unsure, and traffic that is surer than they are would be called drift.
    splits
        Folders of the pictures that it learnt from. They are decoded and measured as the endpoint measures.

    Raises
    ------
    EvaluationError
        When the splits hold no picture.
    classifier.errors.ClassifierError
        When a picture cannot be decoded.
    """
    some = _drawn((answer.file, answer) for answer in answers)
    embedding = np.array([answer.embedding for answer in some])
    return {
        "model_version": answers[0].model_version,
        "dataset_version": card.dataset_version,
        "classes": list(card.classes),
        "threshold": answers[0].threshold,
        "inputs": _inputs(splits, card.image_size),
        "predictions": {
            "class": [answer.predicted for answer in some],
            "confidence": [answer.confidence for answer in some],
            "confident": [answer.confident for answer in some],
        },
        "embedding": embedding.tolist(),
        "moments": {
            "mean": embedding.mean(axis=0).round(6).tolist(),
            # Over all of them, so that a single answer has a covariance, of nothing, too.
            "covariance": np.cov(embedding, rowvar=False, bias=True).round(6).tolist(),
        },
    }


def _drawn(named: Iterable[tuple[str, _Named]]) -> list[_Named]:
    """Return at most `MOST`, by the hash of their names: a sample that is the same every time."""
    ordered = sorted(named, key=lambda each: hashlib.sha256(each[0].encode()).digest())
    return [each for _, each in ordered[:MOST]]


def _inputs(splits: Sequence[Path], image_size: int) -> dict[str, list[float]]:
    files = _drawn(
        (path.relative_to(split).as_posix(), path)
        for split in splits
        for path in split.rglob("*")
        if path.is_file()
    )
    if not files:
        raise EvaluationError("The train and validation splits hold no picture: stage the data again.")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        measured = list(pool.map(lambda path: decode_pixels(path.read_bytes(), image_size)[1], files))
    values = {name: [float(getattr(each, name)) for each in measured] for name in MEASURES}
    return {**values, "pixels": [float(each.width * each.height) for each in measured]}
