"""model.json: all that a decision needs to know of a model besides its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from classifier.errors import ArtifactError, LabelsError
from classifier.labels import check_classes

FORMAT = 2
"""1 kept batch normalisations apart; its weights do not fit the network of today."""


@dataclass(frozen=True)
class ModelCard:
    """
    The contents of model.json.

    Parameters
    ----------
    classes
        Class names in the order of the network's outputs.
    image_size
        Side of the network's input, pixels.
    temperature, threshold
        Calibration: logits are divided by the one; a confidence from the other on is routed.
    target_error
        Share of wrong images among routed ones that the threshold was chosen for.
    calibrated_on
        Which predictions the two were fitted to: ``validation`` or ``out-of-fold``.
    drawings
        Whether it learnt from built-in drawings, whose figures say nothing of photographs.
    model_version
        The run it belongs to; packaging writes it, training leaves it None.
    """

    classes: tuple[str, ...]
    image_size: int
    temperature: float
    threshold: float
    target_error: float
    dataset_version: str
    network: str = "efficientnet-lite0"
    format: int = FORMAT
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    drawings: bool = False
    seed: int = 0
    calibrated_on: str = "validation"
    calibration: Mapping[str, float | int] = field(default_factory=dict)
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    validation: Mapping[str, float | int] = field(default_factory=dict)
    weights_sha256: str = ""
    model_version: str | None = None

    @property
    def target(self) -> str:
        """The target error for people: in percent, not rounded to one that nobody set."""
        return f"{100 * self.target_error:g}%"

    def write(self, path: Path) -> None:
        """Write it as JSON with sorted keys."""
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_card(path: Path) -> ModelCard:
    """
    Read model.json.

    Raises
    ------
    ArtifactError
        When it is missing, no JSON, of another format, or lacks what a decision needs.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"The model artifact has no readable {path.name}: train or package again."
        ) from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ArtifactError(
            f"{path.name} is not of format {FORMAT}: package with the release that trained it."
        )
    known = {f.name for f in fields(ModelCard)}
    try:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        card = ModelCard(**{k: v for k, v in values.items() if k in known})
        check_classes(card.classes)
    except (TypeError, LabelsError) as error:
        raise ArtifactError(f"{path.name} is incomplete: {error}.") from error
    if not (card.temperature > 0 and 0 <= card.threshold <= 1 and card.image_size > 0):
        raise ArtifactError(f"{path.name} has a calibration that makes no sense: train again.")
    return card
