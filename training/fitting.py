"""Fine-tunes the pretrained network: one epoch after another, the best by validation kept."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from training.augmentation import augment
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.pictures import Pictures

EVALUATION_BATCH = 64
CHECKPOINT = "checkpoint.pt"


@dataclass
class Epoch:
    """What one epoch came to; losses in nats."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass
class Progress:
    """All that a resumed run needs besides the weights."""

    epochs: list[Epoch] = field(default_factory=list)
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    without_gain: int = 0


def predict_logits(network: EfficientNetLite0, pixels: Tensor, device: torch.device) -> Tensor:
    """Return logits, shape [n, k], of uint8 pictures, shape [n, 3, S, S]."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for batch in torch.split(pixels, EVALUATION_BATCH):
            x = normalise(batch.to(device)).contiguous(memory_format=torch.channels_last)
            parts.append(network(x).float().cpu())
    return torch.cat(parts)


class Fitting:
    """
    One training run.

    Parameters
    ----------
    network
        With the pretrained body.
    chosen
        The hyperparameters.
    device
        Where it runs.
    identity
        What the run is of: a checkpoint of another identity is refused.
    log
        Takes one line of progress an epoch.
    """

    def __init__(
        self,
        network: EfficientNetLite0,
        chosen: Hyperparameters,
        device: torch.device,
        identity: dict[str, Any],
        log: Callable[[str], None],
    ) -> None:
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = copy.deepcopy(self._network) if chosen.ema_decay else self._network
        self._chosen, self._device, self._identity, self._log = chosen, device, identity, log
        self._optimizer = torch.optim.AdamW(self._groups(), weight_decay=chosen.weight_decay)
        self._generator = torch.Generator().manual_seed(chosen.seed)
        self._progress = Progress()

    def _groups(self) -> list[dict[str, Any]]:
        chosen = self._chosen
        body = [p for name, p in self._network.named_parameters() if not name.startswith("head.")]
        for parameter in body:
            parameter.requires_grad_(chosen.body_rate > 0)
        groups = [{"params": list(self._network.head.parameters()), "peak": chosen.learning_rate}]
        if chosen.body_rate > 0:
            groups.append({"params": body, "peak": chosen.learning_rate * chosen.body_rate})
        return [{**group, "lr": group["peak"]} for group in groups]

    def run(self, train: Pictures, validation: Pictures) -> list[Epoch]:
        """
        Train until the epochs are over or validation stops improving, and keep the best weights.

        Raises
        ------
        TrainingError
            When the loss is no number.
        """
        self._resume()
        steps = math.ceil(len(train) / self._chosen.batch_size)
        while not self._finished():
            number = len(self._progress.epochs) + 1
            started = time.monotonic()
            loss = self._epoch(train, number - 1, steps)
            validation_loss, accuracy = self._validate(validation)
            done = Epoch(number, loss, validation_loss, accuracy, round(time.monotonic() - started, 2))
            self._note(done)
            self._log(
                f"epoch={number} train_loss={loss:.4f} validation_loss={validation_loss:.4f} "
                f"validation_accuracy={accuracy:.4f} seconds={done.seconds};"
            )
            self._save()
        self._network.load_state_dict(self._progress.best)
        return self._progress.epochs

    def _finished(self) -> bool:
        done, chosen = self._progress, self._chosen
        stale = chosen.patience > 0 and done.without_gain >= chosen.patience
        return len(done.epochs) >= chosen.epochs or stale

    def _epoch(self, train: Pictures, index: int, steps: int) -> float:
        # Batch-norm statistics stay those of ImageNet: so few pictures would spoil them.
        self._network.eval()
        self._network.dropout.train()
        order = torch.randperm(len(train), generator=self._generator)
        total = 0.0
        for step, chosen in enumerate(torch.split(order, self._chosen.batch_size)):
            self._schedule(index * steps + step, self._chosen.epochs * steps, steps)
            x = normalise(train.pixels[chosen].to(self._device))
            x = augment(x, self._chosen.augmentation, self._generator)
            total += self._step(x, train.labels[chosen].to(self._device)) * len(chosen)
        return total / len(train)

    def _step(self, x: Tensor, y: Tensor) -> float:
        gpu = self._device.type == "cuda"
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=gpu):
            logits = self._network(x.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), y, label_smoothing=self._chosen.label_smoothing)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The training loss became {value}: lower the learning rate ({self._chosen.learning_rate})."
            )
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        if self._average is not self._network:
            with torch.no_grad():
                pairs = zip(self._average.parameters(), self._network.parameters(), strict=True)
                for average, current in pairs:
                    average.lerp_(current, 1.0 - self._chosen.ema_decay)
        return value

    def _schedule(self, step: int, total: int, steps: int) -> None:
        """Rise over the warm-up, then fall along a cosine."""
        warm = self._chosen.warmup_epochs * steps
        share = (
            (step + 1) / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2
        )
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share

    def _validate(self, validation: Pictures) -> tuple[float, float]:
        logits = predict_logits(self._average, validation.pixels, self._device)
        loss = float(F.cross_entropy(logits, validation.labels))
        accuracy = float((logits.argmax(1) == validation.labels).float().mean())
        return loss, accuracy

    def _note(self, done: Epoch) -> None:
        progress = self._progress
        progress.epochs.append(done)
        if done.validation_loss < progress.best_loss:
            progress.best_loss, progress.without_gain = done.validation_loss, 0
            progress.best = {k: v.detach().cpu().clone() for k, v in self._average.state_dict().items()}
        else:
            progress.without_gain += 1

    def _save(self) -> None:
        if not self._chosen.checkpoint_dir:
            return
        path = Path(self._chosen.checkpoint_dir) / CHECKPOINT
        state = {
            "identity": self._identity,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "torch": torch.get_rng_state(),
            "progress": {**asdict(self._progress), "best": self._progress.best},
        }
        # Written beside and moved, so that a job killed meanwhile leaves the older one whole.
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def _resume(self) -> None:
        torch.manual_seed(self._chosen.seed)
        path = Path(self._chosen.checkpoint_dir) / CHECKPOINT if self._chosen.checkpoint_dir else None
        if path is None or not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity:
            raise TrainingError(
                "The checkpoint belongs to another dataset, seed or network: empty the checkpoint folder."
            )
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        saved = state["progress"]
        epochs = [Epoch(**each) for each in saved.pop("epochs")]
        self._progress = Progress(epochs=epochs, **saved)
        self._log(f"resumed after epoch {len(epochs)}")
