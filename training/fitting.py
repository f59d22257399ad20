"""Fine-tunes the pretrained network on some pictures, watched on others that it does not learn from."""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from training.augmentation import Views, augment, draw_share, draw_views
from training.checkpoints import Checkpoint
from training.hyperparameters import Hyperparameters
from training.pictures import Pictures
from training.run import Epoch, Fit, Run, predict_logits, require_finite


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return what makes every class count alike, shape [k], with mean 1 over the pictures."""
    return len(labels) / (classes * torch.bincount(labels, minlength=classes).clamp(min=1))


class Fitting:
    """
    One fit.

    Parameters
    ----------
    network
        With the pretrained body.
    run
        What it shares with the job's other fits.
    name
        Its own name, in the log and for its checkpoint.
    seed
        Added to the hyperparameters' own.
    """

    def __init__(self, network: EfficientNetLite0, run: Run, name: str, seed: int = 0) -> None:
        self._run, self._name, self._chosen = run, name, run.chosen
        self._network = network.to(run.device)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze(self._network, self._chosen)
        self._average = copy.deepcopy(self._network) if self._chosen.ema_decay else self._network
        self._best: dict[str, Tensor] = {}
        self._optimizer = torch.optim.AdamW(self._groups(), weight_decay=self._chosen.weight_decay)
        self._generator = torch.Generator().manual_seed(self._chosen.seed + seed)
        self._checkpoint = Checkpoint(self._chosen.checkpoint_dir, name, run.identity)
        self._steps = 0
        self.fit = Fit()

    def _groups(self) -> list[dict[str, Any]]:
        head = set(self._network.head.parameters())
        body = [p for p in self._network.parameters() if p.requires_grad and p not in head]
        peak = self._chosen.learning_rate
        groups = [{"params": list(head), "peak": peak}]
        if body:
            groups.append({"params": body, "peak": peak * self._chosen.body_rate})
        return [{**group, "lr": group["peak"]} for group in groups]

    def run(self, train: Pictures, held_out: Pictures) -> Fit:
        """
        Train until the epochs are over or validation stops improving.

        Raises
        ------
        TrainingError
            When a loss is no finite number, or the checkpoint is of another run.
        """
        self._resume(len(held_out))
        self._weights = class_weights(train.labels, self._network.head.out_features).to(self._run.device)
        while len(self.fit.epochs) < self._chosen.epochs and not self.fit.stale(self._chosen.patience):
            self._one(train, held_out)
        self._average.load_state_dict(self._best)
        return self.fit

    @property
    def network(self) -> EfficientNetLite0:
        """After the run: the network that answered the held-out pictures best, its weights averaged over steps."""
        return self._average

    def _one(self, train: Pictures, held_out: Pictures) -> None:
        number = len(self.fit.epochs) + 1
        started = time.monotonic()
        loss = self._epoch(train, number - 1)
        logits = predict_logits(self._average, held_out.pixels, self._run)
        done = Epoch(
            epoch=number,
            train_loss=loss,
            seconds=round(time.monotonic() - started, 2),
            validation_loss=float(F.cross_entropy(logits, held_out.labels)),
            validation_accuracy=float((logits.argmax(1) == held_out.labels).float().mean()),
        )
        require_finite("validation loss", done.validation_loss, self._chosen)
        self.fit.epochs.append(done)
        if self.fit.best == number:
            self.fit.logits = logits
            self._best = {name: value.clone() for name, value in self._average.state_dict().items()}
        self._run.log(
            f"{self._name} epoch={number} train_loss={loss:.4f} validation_loss={done.validation_loss:.4f} "
            f"validation_accuracy={done.validation_accuracy:.4f} seconds={done.seconds};"
        )
        self._run.watch(self._average)
        if self._run.world.leads:
            self._checkpoint.save(self._state())

    def _epoch(self, train: Pictures, index: int) -> float:
        steps = math.ceil(len(train) / self._chosen.batch_size)
        order = torch.randperm(len(train), generator=self._generator)
        total = 0.0
        for step, rows in enumerate(torch.split(order, self._chosen.batch_size)):
            self._schedule(index * steps + step, self._chosen.epochs * steps, steps)
            total += self._step(train, rows) * len(rows)
        return total / len(train)

    def _step(self, train: Pictures, rows: Tensor) -> float:
        # Everything random is drawn for the whole batch, so that the number of processes changes nothing.
        views = draw_views(len(rows), self._chosen.augmentation, self._generator)
        kept = torch.rand(len(rows), self._network.head.in_features, generator=self._generator)
        partners = torch.randperm(len(rows), generator=self._generator)
        share = draw_share(self._chosen.mixup, self._generator)
        mine = self._run.world.mine
        weight = float(self._weights[train.labels[rows].to(self._run.device)].sum())
        self._optimizer.zero_grad(set_to_none=True)
        value = torch.zeros((), device=self._run.device)
        if len(mine(rows)):
            x = self._views(train, mine(rows), views.share(mine))
            labels = [(share, train.labels[mine(rows)])]
            if share < 1.0:
                others = mine(partners)
                x = share * x + (1.0 - share) * self._views(
                    train, rows[others], views.share(lambda each: each[others])
                )
                labels.append((1.0 - share, train.labels[rows[others]]))
            loss = self._loss(x, labels, mine(kept)) / weight
            torch.autograd.backward(loss)
            value = loss.detach()
        total = self._run.world.total_gradients(self._network.parameters(), value)
        require_finite("training loss", total, self._chosen)
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._follow()
        return total

    def _views(self, train: Pictures, rows: Tensor, views: Views) -> Tensor:
        x = normalise(train.pixels[rows].to(self._run.device))
        return augment(x, views) if self._chosen.augmentation else x

    def _loss(self, x: Tensor, labels: Sequence[tuple[float, Tensor]], kept: Tensor) -> Tensor:
        """Return the loss added up over the images, each label by its share."""
        gpu = self._run.device.type == "cuda"
        mask = (kept >= self._chosen.dropout).to(x.device) / (1.0 - self._chosen.dropout)
        with torch.autocast(self._run.device.type, dtype=torch.bfloat16, enabled=gpu):
            features = self._network.features(x.contiguous(memory_format=torch.channels_last))
            logits = self._network.head(features * mask)
        total = torch.zeros((), device=x.device)
        for share, own in labels:
            total = total + share * F.cross_entropy(
                logits.float(),
                own.to(x.device),
                weight=self._weights,
                reduction="sum",
                label_smoothing=self._chosen.label_smoothing,
            )
        return total

    def _follow(self) -> None:
        """Move the average a step towards the weights."""
        if self._average is self._network:
            return
        self._steps += 1
        # A long memory would keep the weights that a short training began with.
        decay = min(self._chosen.ema_decay, self._steps / (self._steps + 10.0))
        pairs = zip(self._average.parameters(), self._network.parameters(), strict=True)
        with torch.no_grad():
            for average, current in pairs:
                if current.requires_grad:
                    average.lerp_(current, 1.0 - decay)

    def _schedule(self, step: int, total: int, steps: int) -> None:
        """Set the step's learning rates."""
        share = share_of_peak(step, total, self._chosen.warmup_epochs * steps)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share

    def _state(self) -> dict[str, Any]:
        """Return all that a killed fit needs to end as an undisturbed one."""
        return {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "steps": self._steps,
            "epochs": [asdict(epoch) for epoch in self.fit.epochs],
            "logits": self.fit.logits,
        }

    def _resume(self, held_out: int) -> None:
        if (state := self._checkpoint.load()) is None:
            return
        with self._checkpoint.taken_up():
            self._network.load_state_dict(state["network"])
            self._best = state["best"]
            # Taken into the network once, so that what does not fit is told now and not when training is over.
            self._average.load_state_dict(self._best)
            self._average.load_state_dict(state["average"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._generator.set_state(state["generator"])
            self._steps = int(state["steps"])
            logits: Tensor = state["logits"]
            if logits.shape != (held_out, self._network.head.out_features) or not logits.isfinite().all():
                raise ValueError("answers to other pictures")
            self.fit = Fit([Epoch(**each) for each in state["epochs"]], logits)
            if not all(math.isfinite(number) for each in self.fit.epochs for number in astuple(each)):
                raise ValueError("an epoch without its figures")
        self._run.log(f"{self._name} resumed after epoch {len(self.fit.epochs)}")


def share_of_peak(step: int, total: int, warm: float) -> float:
    """
    Return a step's learning rate as a share of the highest, 0…1: it rises over the warm-up, then falls along a cosine.

    Parameters
    ----------
    step
        Its number, from 0.
    total
        Steps in all.
    warm
        Steps of the warm-up; they need not be whole.
    """
    if step < warm:
        return min(1.0, (step + 1) / warm)
    return (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2


def freeze(network: EfficientNetLite0, chosen: Hyperparameters) -> None:
    """Leave the stem and the first blocks as they are, or the whole body when its rate is 0."""
    body = [network.stem, *network.blocks, network.top]
    kept = len(body) if chosen.body_rate == 0 else chosen.frozen_blocks + 1 if chosen.frozen_blocks else 0
    for part in body[:kept]:
        for parameter in part.parameters():
            parameter.requires_grad_(False)
