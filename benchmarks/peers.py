"""What the classifier is compared with: simpler models, calibrated in the same way."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.calibration import choose_threshold, fit_temperature, softmax
from classifier.network import EfficientNetLite0, load_pretrained
from classifier.preprocessing import normalise
from stacks.archives import weights_file
from training.augmentation import augment, draw_views
from training.folds import deal
from training.pictures import Pictures
from training.run import Run

SCRATCH_EPOCHS = 30
SCRATCH_SIZE = 32


class Stage(NamedTuple):
    """How far a training had come: seconds since it began, and which held-out pictures it then had right."""

    seconds: float
    correct: NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """
    What one model said of one outer fold.

    Parameters
    ----------
    seconds
        From the pictures to the calibrated model.
    stages
        The model's own training, epoch by epoch.
    learnt_from, learnt_wrong
        The rows of the other folds' pictures, and which of them were wrong for networks that did not learn from them.
    """

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    threshold: float
    seconds: float
    stages: tuple[Stage, ...] = ()
    learnt_from: Tensor | None = None
    learnt_wrong: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        logits: NDArray[np.floating],
        labels: NDArray[np.integer],
        temperature: float,
        threshold: float,
        seconds: float,
    ) -> Outcome:
        """Read logits as calibrated decisions."""
        probabilities = softmax(logits, temperature)
        return cls(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, threshold, seconds)

    def to_json(self) -> str:
        """Write it, to the last digit."""
        return json.dumps(asdict(self), default=lambda each: each.tolist())

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        learnt_from, learnt_wrong = raw["learnt_from"], raw["learnt_wrong"]
        return cls(
            np.array(raw["confidence"], dtype=np.float64),
            np.array(raw["correct"], dtype=np.bool_),
            raw["threshold"],
            raw["seconds"],
            tuple(Stage(seconds, np.array(right, dtype=np.bool_)) for seconds, right in raw["stages"]),
            None if learnt_from is None else torch.tensor(learnt_from),
            None if learnt_wrong is None else np.array(learnt_wrong, dtype=np.bool_),
        )


def calibrate(logits: Tensor, labels: Tensor, target: float) -> tuple[float, float]:
    """Fit temperature and threshold as the training job does."""
    temperature = fit_temperature(logits.numpy(), labels.numpy())
    probabilities = softmax(logits.numpy(), temperature)
    correct = probabilities.argmax(axis=1) == labels.numpy()
    return temperature, choose_threshold(probabilities.max(axis=1), correct, target).value


def frozen(train: Pictures, test: Pictures, names: Sequence[str], run: Run) -> Outcome:
    """Fit logistic regression to the pretrained features, and calibrate out of fold."""
    started = time.perf_counter()
    body = EfficientNetLite0(len(names)).eval()
    load_pretrained(body, weights_file())

    def features(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([body.features(normalise(part)) for part in torch.split(pixels, 64)])

    taught, asked = features(train.pixels), features(test.pixels)
    held = torch.zeros(len(train), len(names))
    for rows in deal(train, run.chosen.folds):
        rest = torch.ones(len(train), dtype=torch.bool)
        rest[rows] = False
        held[rows] = logistic(taught[rest], train.labels[rest], len(names))(taught[rows]).detach()
    temperature, threshold = calibrate(held, train.labels, run.chosen.target_error)
    logits = logistic(taught, train.labels, len(names))(asked).detach().numpy()
    seconds = time.perf_counter() - started
    return Outcome.of(logits, test.labels.numpy(), temperature, threshold, seconds)


def logistic(features: Tensor, labels: Tensor, classes: int) -> nn.Module:
    """Fit a linear head to features, with a little weight decay."""
    torch.manual_seed(0)
    head = nn.Linear(features.shape[1], classes)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(head(features), labels) + 1e-3 * head.weight.square().sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return head


def scratch(train: Pictures, test: Pictures, names: Sequence[str], run: Run) -> Outcome:
    """Train a small convolutional network from nothing, and calibrate it out of fold."""
    started = time.perf_counter()
    taught, asked = (_small(p.pixels) for p in (train, test))
    held = torch.zeros(len(train), len(names))
    for rows in deal(train, run.chosen.folds):
        rest = torch.ones(len(train), dtype=torch.bool)
        rest[rows] = False
        model = _scratch(taught[rest], train.labels[rest], len(names), run.chosen.seed)
        held[rows] = model(normalise(taught[rows])).detach()
    temperature, threshold = calibrate(held, train.labels, run.chosen.target_error)
    model = _scratch(taught, train.labels, len(names), run.chosen.seed)
    logits = model(normalise(asked)).detach().numpy()
    seconds = time.perf_counter() - started
    return Outcome.of(logits, test.labels.numpy(), temperature, threshold, seconds)


def _small(pixels: Tensor) -> Tensor:
    return F.interpolate(pixels.float(), SCRATCH_SIZE, mode="area").round().to(torch.uint8)


def _scratch(pixels: Tensor, labels: Tensor, classes: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 16, classes))
    steps = SCRATCH_EPOCHS * -(-len(labels) // 32)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=steps)
    for _ in range(SCRATCH_EPOCHS):
        for rows in torch.split(torch.randperm(len(labels), generator=generator), 32):
            x = augment(normalise(pixels[rows]), draw_views(len(rows), 1.0, generator))
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model(x), labels[rows], label_smoothing=0.05))
            optimizer.step()
            schedule.step()
    return model.eval()
