"""Cross-fitting: every picture answered by a network that did not learn from it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.network import EfficientNetLite0, load_pretrained
from training.errors import DatasetError
from training.fitting import Epoch, Fit, Fitting, Run
from training.pictures import Pictures


@dataclass(frozen=True)
class Answers:
    """
    What networks said of pictures that they had not learnt from.

    Parameters
    ----------
    logits, labels
        Shapes [n, k] and [n].
    epochs
        How many epochs the networks had trained for: the number that answered best.
    curve
        Every epoch up to the shortest fit's last, over all of the pictures.
    """

    logits: Tensor
    labels: Tensor
    epochs: int
    curve: list[Epoch]


def deal(pictures: Pictures, folds: int) -> list[Tensor]:
    """
    Divide pictures into folds with about equally many of each class; return each fold's rows.

    A group of duplicates goes whole into one fold, and always in the same order, whatever the files' order.
    """
    places: dict[str, int] = {}
    for label in sorted(set(pictures.labels.tolist())):
        own = {g for g, of in zip(pictures.groups, pictures.labels.tolist(), strict=True) if of == label}
        fresh = sorted(own - set(places), key=_order)
        # Each class begins where the one before ended, so that small classes do not all fill the first fold.
        start = len(places)
        places |= {group: (start + number) % folds for number, group in enumerate(fresh)}
    numbers = torch.tensor([places[group] for group in pictures.groups])
    return [torch.nonzero(numbers == fold).flatten() for fold in range(folds)]


def _order(group: str) -> bytes:
    return hashlib.sha256(f"fold:{group}".encode()).digest()


def gather(fits: Sequence[Fit], held_out: Sequence[Pictures]) -> Answers:
    """Join what each fit said of its held-out pictures, after the number of epochs that was best for all."""
    labels = torch.cat([pictures.labels for pictures in held_out])
    length = min(len(fit.epochs) for fit in fits)
    curve = []
    logits = []
    for index in range(length):
        logits.append(torch.cat([fit.logits[index] for fit in fits]))
        each = [fit.epochs[index] for fit in fits]
        curve.append(
            Epoch(
                epoch=index + 1,
                train_loss=sum(epoch.train_loss for epoch in each) / len(each),
                seconds=round(sum(epoch.seconds for epoch in each), 2),
                validation_loss=float(F.cross_entropy(logits[-1], labels)),
                validation_accuracy=float((logits[-1].argmax(1) == labels).float().mean()),
            )
        )
    best = min(range(length), key=lambda index: curve[index].validation_loss or 0.0)
    return Answers(logits[best], labels, best + 1, curve)


class CrossFit:
    """
    The fits of one job: one for each fold, and one of all pictures, whose network is kept.

    Parameters
    ----------
    pool
        The pictures that may be learnt from.
    held_out
        The rows of each fold.

    Raises
    ------
    DatasetError
        When a fold is empty, or holds all pictures of a class.
    """

    def __init__(
        self, run: Run, names: Sequence[str], weights: Path, pool: Pictures, held_out: Sequence[Tensor]
    ) -> None:
        self._run, self._names, self._weights = run, names, weights
        self._pool, self._held_out = pool, held_out
        for number, held in enumerate(held_out, start=1):
            taught = self._pool.labels[self._rest(held)]
            if not len(held) or len(set(taught.tolist())) < len(names):
                raise DatasetError(
                    f"Fold {number} of {len(held_out)} would leave a class without pictures: add pictures, or set "
                    "the hyperparameter 'folds' lower."
                )

    def _rest(self, held: Tensor) -> Tensor:
        mask = torch.ones(len(self._pool), dtype=torch.bool)
        mask[held] = False
        return torch.nonzero(mask).flatten()

    def _fitting(self, name: str, seed: int) -> Fitting:
        torch.manual_seed(self._run.chosen.seed + seed)
        network = EfficientNetLite0(len(self._names))
        load_pretrained(network, self._weights)
        return Fitting(network, self._run, name, seed)

    def answers(self) -> Answers:
        """Hold out each fold in turn."""
        parts = [self._pool.rows(held) for held in self._held_out]
        fits = [
            self._fitting(f"fold-{number}", number).run(self._pool.rows(self._rest(held)), part)
            for number, (held, part) in enumerate(zip(self._held_out, parts, strict=True), start=1)
        ]
        return gather(fits, parts)

    def network(self, epochs: int) -> EfficientNetLite0:
        """Learn from every picture, for as many epochs as served the held-out ones best."""
        fitting = self._fitting("final", 0)
        fitting.run(self._pool, until=epochs)
        return fitting.network
