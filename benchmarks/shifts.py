"""Traffic to find drift in: real pictures, each as it is and shifted, as the log would have them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.peers import calibrate, logistic
from classifier.artifact import LoadedModel
from classifier.calibration import softmax
from classifier.card import ModelCard
from classifier.image_statistics import MEASURES, ImageStatistics
from classifier.network import EfficientNetLite0, load_pretrained
from classifier.preprocessing import decode_pixels, normalise
from stacks.archives import weights_file
from training.analysis.records import Prediction
from training.drawings import draw

MODEL = "benchmark"
FOLDS = 5
TARGET_ERROR = 0.01
DRAWN = 500
"""Drawings of each class."""
VEHICLES, FOREIGN = ("bicycle", "motorcycle"), ("good", "defective")
_BATCH = 64
Picture = tuple[str, Image.Image]


def _cast(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return Image.merge(
        "RGB", (red.point(lambda v: min(255, v * 1.15)), green, blue.point(lambda v: v * 0.85))
    )


SHIFTS: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "blur": (
        "Gaussian, 2 % of the longer side",
        lambda image: image.filter(ImageFilter.GaussianBlur(0.02 * max(image.size))),
    ),
    "darkening": ("60 % of the light left", lambda image: ImageEnhance.Brightness(image).enhance(0.6)),
    "colour shift": ("red 15 % up, blue 15 % down", _cast),
}
"""What is done to pictures, and how it is called."""


@dataclass(frozen=True)
class Traffic:
    """
    What the log would have of each picture.

    Parameters
    ----------
    labels
        Classes of the pictures, shape [n].
    variants
        By the name of a shift, `clean` among them, a decision for each picture.
    foreign
        Decisions on drawings of what no class is.
    """

    labels: NDArray[np.str_]
    variants: dict[str, list[Prediction]]
    foreign: list[Prediction]
    classes: tuple[str, ...]


def pictures(data: Path | None) -> list[Picture]:
    """Return the pictures of a folder of class folders, or drawings."""
    if data is None:
        return [(label, draw(label, 0, index)) for label in VEHICLES for index in range(DRAWN)]
    found = []
    for path in sorted(each for each in data.rglob("*") if each.is_file()):
        with Image.open(path) as image:
            found.append((path.parent.name, image.convert("RGB")))
    return found


def traffic(found: Sequence[Picture], image_size: int) -> Traffic:
    """
    Answer every picture as it is and under each shift, once.

    The model is the frozen ImageNet body with logistic regression; each picture is answered by a head that did not
    learn from it, so that all of them are as new to it as live traffic is.
    """
    classes = tuple(sorted({label for label, _ in found}))
    labels = torch.tensor([classes.index(label) for label, _ in found])
    body = EfficientNetLite0(len(classes))
    load_pretrained(body, weights_file())
    side = found[0][1].size
    foreign = [draw(FOREIGN[i % 2], 0, i).resize(side, Image.Resampling.LANCZOS) for i in range(2 * DRAWN)]
    images = [image for _, image in found]
    seen = {"clean": _Seen.of(body, images, image_size, classes)}
    for name, (_, shift) in SHIFTS.items():
        seen[name] = _Seen.of(body, [shift(image) for image in images], image_size, classes)
    strange = _Seen.of(body, foreign, image_size, classes)
    folds = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)) % FOLDS
    heads = [
        logistic(seen["clean"].features[folds != k], labels[folds != k], len(classes)) for k in range(FOLDS)
    ]

    def logits(features: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        answers = torch.stack([head(features).detach() for head in heads])
        return answers[which, torch.arange(len(features))]

    temperature, threshold = calibrate(logits(seen["clean"].features, folds), labels, TARGET_ERROR)

    def decided(each: _Seen, which: torch.Tensor) -> list[Prediction]:
        return each.decisions(softmax(logits(each.features, which).numpy(), temperature), threshold, classes)

    return Traffic(
        np.array([label for label, _ in found]),
        {name: decided(each, folds) for name, each in seen.items()},
        decided(strange, torch.arange(len(foreign)) % FOLDS),
        classes,
    )


@dataclass(frozen=True)
class _Seen:
    """Pictures as the endpoint sees them: measured, with features [n, 1280] and embeddings [n, 8]."""

    statistics: list[ImageStatistics]
    features: torch.Tensor
    embeddings: torch.Tensor

    @classmethod
    def of(
        cls, body: EfficientNetLite0, images: Sequence[Image.Image], image_size: int, classes: tuple[str, ...]
    ) -> _Seen:
        model = LoadedModel(body, ModelCard(classes, image_size, 1.0, 0.5, TARGET_ERROR, "benchmark"))
        decoded = [decode_pixels(_png(image), image_size) for image in images]
        kept: list[torch.Tensor] = []
        hook = body.head.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        try:
            with torch.inference_mode():
                pixels = torch.stack([tensor for tensor, _ in decoded])
                embeddings = [model.compute(normalise(part))[1] for part in torch.split(pixels, _BATCH)]
        finally:
            hook.remove()
        return cls([measured for _, measured in decoded], torch.cat(kept).clone(), torch.cat(embeddings))

    def decisions(
        self, probabilities: NDArray[np.float64], threshold: float, classes: tuple[str, ...]
    ) -> list[Prediction]:
        found = []
        for index, measured in enumerate(self.statistics):
            best = int(probabilities[index].argmax())
            confidence = round(float(probabilities[index, best]), 6)
            values = {name: float(getattr(measured, name)) for name in MEASURES}
            found.append(
                Prediction(
                    str(index),
                    float(index),
                    MODEL,
                    label=classes[best],
                    confidence=confidence,
                    confident=confidence >= threshold,
                    inputs={**values, "pixels": float(measured.width * measured.height)},
                    embedding=tuple(round(float(v), 5) for v in self.embeddings[index]),
                )
            )
        return found


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
