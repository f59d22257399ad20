"""What the fits of a training job share, and what each comes to."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.world import World

EVALUATION_BATCH = 64


@dataclass
class Epoch:
    """What one epoch came to; losses in nats."""

    epoch: int
    train_loss: float
    seconds: float
    validation_loss: float
    validation_accuracy: float


@dataclass
class Fit:
    """
    A run's outcome so far.

    Parameters
    ----------
    logits
        Of the held-out pictures after the epoch that answered them best, shape [n, k].
    """

    epochs: list[Epoch] = field(default_factory=list)
    logits: Tensor = field(default_factory=lambda: torch.zeros(0))

    def after(self, epochs: int) -> "Fit":
        """Return what the first ``epochs`` came to, without the answers."""
        return Fit(self.epochs[:epochs])

    @property
    def seconds(self) -> float:
        """How long all of them took."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def best(self) -> int:
        """The number of the epoch with the lowest validation loss."""
        return min(self.epochs, key=lambda epoch: epoch.validation_loss).epoch

    def stale(self, patience: int) -> bool:
        """Whether the last ``patience`` epochs all failed to lower the validation loss."""
        return patience > 0 and bool(self.epochs) and len(self.epochs) - self.best >= patience


@dataclass(frozen=True)
class Run:
    """
    What all fits of one job share.

    Parameters
    ----------
    identity
        What the job is of: a checkpoint of another identity is refused.
    log
        Takes one line of progress an epoch.
    watch
        Is shown each fit's network after each epoch, for whoever measures: what it sees decides nothing.
    """

    chosen: Hyperparameters
    device: torch.device
    world: World
    identity: Mapping[str, Any]
    log: Callable[[str], None]
    watch: Callable[[EfficientNetLite0], None] = lambda network: None


def predict_logits(network: EfficientNetLite0, pixels: Tensor, run: Run) -> Tensor:
    """Return logits, shape [n, k], of uint8 pictures, shape [n, 3, S, S]; processes share the work."""
    network.eval()
    logits = torch.zeros(len(pixels), network.head.out_features)
    with torch.inference_mode():
        for rows in torch.split(run.world.mine(torch.arange(len(pixels))), EVALUATION_BATCH):
            x = normalise(pixels[rows].to(run.device)).contiguous(memory_format=torch.channels_last)
            logits[rows] = network(x).float().cpu()
    return run.world.total(logits.clone().to(run.device)).cpu()


def require_finite(what: str, value: float, chosen: Hyperparameters) -> None:
    """
    See that a figure of a run is a finite number.

    Raises
    ------
    TrainingError
        When it is not: the run has diverged, and more epochs would not mend it.
    """
    if not math.isfinite(value):
        raise TrainingError(f"The {what} became {value}: lower the learning rate ({chosen.learning_rate}).")
