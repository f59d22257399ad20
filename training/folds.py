"""Cross-fitting: every picture answered by a network that did not learn from it."""

import copy
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from classifier.network import EfficientNetLite0, load_pretrained
from training.errors import DatasetError
from training.fitting import Fitting
from training.pictures import Pictures
from training.run import Epoch, Fit, Run


@dataclass(frozen=True)
class Answers:
    """
    What networks said of pictures that they had not learnt from.

    Parameters
    ----------
    logits, labels
        Shapes [n, k] and [n].
    fits
        What each network's training came to.
    curve
        Every epoch up to the shortest fit's last, over all of the pictures.
    """

    logits: Tensor
    labels: Tensor
    fits: tuple[Fit, ...]
    curve: list[Epoch]

    @property
    def epochs(self) -> tuple[int, ...]:
        """After which epoch each network answered best."""
        return tuple(fit.best for fit in self.fits)


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
    """Join what each fit said of its held-out pictures."""
    sizes = [len(pictures) for pictures in held_out]

    def mean(values: Iterable[float]) -> float:
        return sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)

    curve = [
        Epoch(
            epoch=each[0].epoch,
            train_loss=sum(epoch.train_loss for epoch in each) / len(each),
            seconds=round(sum(epoch.seconds for epoch in each), 2),
            validation_loss=mean(epoch.validation_loss for epoch in each),
            validation_accuracy=mean(epoch.validation_accuracy for epoch in each),
        )
        for each in zip(*(fit.epochs for fit in fits), strict=False)
    ]
    return Answers(
        logits=torch.cat([fit.logits for fit in fits]),
        labels=torch.cat([pictures.labels for pictures in held_out]),
        fits=tuple(fits),
        curve=curve,
    )


def average(networks: Sequence[EfficientNetLite0]) -> EfficientNetLite0:
    """
    Return one network whose weights are the mean of theirs (arXiv:2203.05482).

    They must have begun with the same weights: only then do their means answer as well as they do together.
    """
    mean = copy.deepcopy(networks[0])
    with torch.no_grad():
        for whole, *parts in zip(mean.parameters(), *(each.parameters() for each in networks), strict=True):
            whole.copy_(torch.stack(parts).mean(dim=0))
    return mean


class CrossFit:
    """
    The fits of one job: one for each fold, from the same beginning.

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
        self._fittings = [self._fitting(number) for number in range(1, len(held_out) + 1)]

    def _rest(self, held: Tensor) -> Tensor:
        mask = torch.ones(len(self._pool), dtype=torch.bool)
        mask[held] = False
        return torch.nonzero(mask).flatten()

    def _fitting(self, number: int) -> Fitting:
        torch.manual_seed(self._run.chosen.seed)
        network = EfficientNetLite0(len(self._names))
        load_pretrained(network, self._weights)
        return Fitting(network, self._run, f"fold-{number}", number)

    def run(self) -> tuple[EfficientNetLite0, Answers]:
        """Hold out each fold in turn; return the average of the networks, and what each said of its fold."""
        parts = [self._pool.rows(held) for held in self._held_out]
        fits = [
            fitting.run(self._pool.rows(self._rest(held)), part)
            for fitting, held, part in zip(self._fittings, self._held_out, parts, strict=True)
        ]
        return average([fitting.network for fitting in self._fittings]), gather(fits, parts)
