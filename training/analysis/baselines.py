"""The baselines of the models that are met in the log, each read once."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.analysis.storage import Place

Numbers = NDArray[np.float64]
FILE = "evaluation/baseline.json"


@dataclass(frozen=True)
class Baseline:
    """
    What a model's traffic is compared with.

    Parameters
    ----------
    inputs
        Statistics of the pictures that it learnt from, by name.
    labels, confidence, confident
        Its answers to the test split.
    embedding
        Of the test split, shape [n, 8].
    """

    classes: tuple[str, ...]
    inputs: dict[str, Numbers]
    labels: tuple[str, ...]
    confidence: Numbers
    confident: NDArray[np.bool_]
    embedding: Numbers


@dataclass
class Baselines:
    """Finds baselines below the folder of a classifier's runs."""

    runs: Place

    def __post_init__(self) -> None:
        self._read: dict[str, Baseline | str] = {}

    def of(self, version: str) -> Baseline | str:
        """Return a model's baseline, or the sentence that says why there is none."""
        if version not in self._read:
            self._read[version] = self._find(version)
        return self._read[version]

    def _find(self, version: str) -> Baseline | str:
        content = self.runs.read(f"{version}/{FILE}")
        if content is None:
            return f"Model {version} has no baseline, so its traffic is not judged: train again to get one."
        try:
            return read_baseline(json.loads(content))
        except (ValueError, KeyError, TypeError) as error:
            return f"The baseline of model {version} is not of the agreed shape ({error!r}): evaluate again."


def read_baseline(raw: dict[str, Any]) -> Baseline:
    """
    Read what the evaluation job wrote.

    Raises
    ------
    ValueError, KeyError, TypeError
        When it is not of the agreed shape.
    """
    predictions = raw["predictions"]
    found = Baseline(
        classes=tuple(str(name) for name in raw["classes"]),
        inputs={name: np.asarray(values, dtype=np.float64) for name, values in raw["inputs"].items()},
        labels=tuple(str(name) for name in predictions["class"]),
        confidence=np.asarray(predictions["confidence"], dtype=np.float64),
        confident=np.asarray(predictions["confident"], dtype=np.bool_),
        embedding=np.asarray(raw["embedding"], dtype=np.float64),
    )
    if found.embedding.ndim != 2 or not len(found.embedding) == len(found.labels) == len(found.confidence):
        raise ValueError("its lists differ in length")
    return found
