"""The training job: channels in, a calibrated model out."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from inspect import getdoc
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifier.artifact import save_model
from classifier.calibration import choose_threshold, fit_temperature, require_support, softmax
from classifier.card import FORMAT, ModelCard
from classifier.memory import keep_freed_memory
from classifier.network import EfficientNetLite0, is_finite
from training.errors import DatasetError, HyperparameterError, TrainingError
from training.folds import Answers, CrossFit, deal
from training.hyperparameters import Hyperparameters
from training.manifest import read_manifest
from training.pictures import class_names, read_split
from training.reporting import log, run_job
from training.run import Epoch, Run, require_finite
from training.world import World, joined


class Phases:
    """
    Seconds of each phase of a job.

    Parameters
    ----------
    started
        When the process began its first, which is named "start", by the monotonic clock.
    """

    def __init__(self, started: float) -> None:
        self.seconds: dict[str, float] = {}
        self._began = started
        self.ends("start")

    def ends(self, name: str) -> None:
        """Close the phase that runs, by this name, and open the next."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._began, 2)
        self._began = now

    @property
    def set_up(self) -> float:
        """What went by before and after training, as a share of it all, 0…1."""
        return 1.0 - self.seconds["train"] / sum(self.seconds.values())


def parse(arguments: Sequence[str]) -> Hyperparameters:
    """
    Read the `--name value` pairs that the training toolkit passes.

    Raises
    ------
    HyperparameterError
    """
    words = list(arguments)
    if len(words) % 2 or any(not word.startswith("--") for word in words[::2]):
        raise HyperparameterError(f"The arguments must be pairs of --name and value, not: {' '.join(words)}.")
    return Hyperparameters.from_pairs(
        (name.removeprefix("--"), value) for name, value in zip(words[::2], words[1::2], strict=True)
    )


def _channel(name: str) -> Path:
    path = Path(os.environ.get(f"SM_CHANNEL_{name.upper()}", f"/opt/ml/input/data/{name}"))
    if not path.is_dir():
        raise DatasetError(f"The input channel {name!r} is missing: give it to the training job.")
    return path


def _only_file(name: str, pattern: str) -> Path:
    files = sorted(path for path in _channel(name).rglob(pattern) if path.is_file())
    if not files:
        raise DatasetError(f"The input channel {name!r} holds no {pattern} file.")
    return files[0]


def _weights(wanted: str) -> Path:
    path = _only_file("weights", "*.pth")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if wanted and found != wanted:
        raise DatasetError(
            f"The pretrained weights {path.name} have the SHA-256 {found[:12]}…, not {wanted[:12]}… as they were "
            "deployed: deploy again."
        )
    return path


def choose_device(chosen: Hyperparameters) -> torch.device:
    """
    Return the device that the hyperparameters name, or with "auto" the best there is.

    Raises
    ------
    HyperparameterError
        When it is a GPU and there is none.
    """
    if chosen.device == "cuda" and not torch.cuda.is_available():
        raise HyperparameterError(
            "The hyperparameter 'device' is 'cuda', and this machine has no usable GPU: leave it at 'auto'."
        )
    if chosen.device != "auto":
        return torch.device(chosen.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(arguments: Sequence[str], started: float) -> None:
    """Train, calibrate and write the model."""
    chosen = parse(arguments)
    keep_freed_memory()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    with joined(choose_device(chosen).type == "cuda") as world:
        _train(chosen, world, Phases(started))


def _train(chosen: Hyperparameters, world: World, phases: Phases) -> None:
    device = choose_device(chosen)
    if world.size > 1 and device.type == "cuda":
        device = torch.device("cuda", world.local_rank)
    manifest = read_manifest(_only_file("manifest", "*.json"))
    wanted = [name.strip() for name in chosen.classes.split(",") if name.strip()]
    names = class_names(_channel("train"), wanted or manifest["classes"])
    training, validation = (
        read_split(_channel(split), split, names, manifest, chosen.image_size)
        for split in ("train", "validation")
    )
    phases.ends("read")
    # Where files are must not decide whether a checkpoint fits; all else must, the schedule included.
    decisive = {k: v for k, v in asdict(chosen).items() if k not in ("checkpoint_dir", "threads", "device")}
    identity = {"format": FORMAT, "dataset": manifest["version"], "classes": list(names), **decisive}
    run = Run(_placed(chosen, identity), device, world, identity, log if world.leads else lambda _: None)
    pool = training.joined(validation)
    held_out = deal(pool, chosen.folds) if chosen.folds > 1 else [torch.arange(len(training), len(pool))]
    images = sum(len(rows) for rows in held_out)
    require_support(images, chosen.target_error)
    fits = CrossFit(run, names, _weights(chosen.weights_sha256), pool, held_out)
    run.log(
        f"{len(pool)} pictures of {', '.join(names)} outside the test split, {images} of them held out in "
        f"{chosen.folds} fold(s), on {device}" + (f", {world.size} processes" if world.size > 1 else "")
    )
    phases.ends("load")
    network, answers = fits.run()
    if not is_finite(network):
        raise TrainingError(
            "The model's weights are no finite numbers: lower the learning rate, or empty the checkpoint folder."
        )
    phases.ends("train")
    card = _card(answers, chosen, names, manifest)
    phases.ends("calibrate")
    run.log(
        f"epochs={','.join(map(str, answers.epochs))} temperature={card.temperature:.3f} "
        f"threshold={card.threshold:.3f} coverage={card.calibration['coverage']:.3f} "
        f"held_out_accuracy={card.validation['accuracy']:.4f} held_out_loss={card.validation['loss']:.4f};"
    )
    if world.leads:
        _write(network, card, answers.curve, phases)


def _placed(chosen: Hyperparameters, identity: Mapping[str, Any]) -> Hyperparameters:
    """Return the hyperparameters with the folder of these checkpoints, which is then there."""
    if not chosen.checkpoint_dir:
        return chosen
    trial = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(chosen.checkpoint_dir.replace("{trial}", trial))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HyperparameterError(
            f"The hyperparameter 'checkpoint-dir' is {chosen.checkpoint_dir!r}, and nothing can be written there: "
            f"{error.strerror}."
        ) from error
    return replace(chosen, checkpoint_dir=str(folder))


def _card(
    answers: Answers, chosen: Hyperparameters, names: Sequence[str], manifest: dict[str, Any]
) -> ModelCard:
    logits, labels = answers.logits.numpy(), answers.labels.numpy()
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits, temperature)
    correct = probabilities.argmax(axis=1) == labels
    # Logits can be so far apart that a probability is nought; the fits' own losses stay finite then.
    with np.errstate(divide="ignore"):
        loss = float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
    require_finite("held-out loss", loss, chosen)
    threshold = choose_threshold(probabilities.max(axis=1), correct, chosen.target_error)
    return ModelCard(
        classes=tuple(names),
        image_size=chosen.image_size,
        temperature=temperature,
        threshold=threshold.value,
        target_error=chosen.target_error,
        dataset_version=manifest["version"],
        drawings=bool(manifest.get("drawings")),
        seed=chosen.seed,
        calibrated_on="validation" if chosen.folds == 1 else "out-of-fold",
        calibration=threshold.as_dict(),
        hyperparameters=dict(chosen.to_strings()),
        validation={
            "accuracy": float(correct.mean()),
            "loss": loss,
            "n": len(labels),
            "epochs": max(answers.epochs),
        },
    )


def _write(network: EfficientNetLite0, card: ModelCard, curve: Sequence[Epoch], phases: Phases) -> None:
    folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    save_model(folder, network, card)
    phases.ends("write")
    metrics = {
        "epochs": [asdict(epoch) for epoch in curve],
        "phases": phases.seconds,
        "set_up_share": round(phases.set_up, 4),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    log(
        "phases "
        + " ".join(f"{name}={seconds:.1f}s" for name, seconds in phases.seconds.items())
        + f"; all but training: {phases.set_up:.1%}"
    )


def main(arguments: Sequence[str], started: float | None = None) -> int:
    """Run the job, which began when the monotonic clock said `started`, or now; return its exit status."""
    if {"-h", "--help"} & set(arguments[::2]):
        defaults = " ".join(f"--{name} {value!r}" for name, value in Hyperparameters().to_strings().items())
        print(f"usage: train.py [--NAME VALUE …]\n\n{getdoc(Hyperparameters)}\n\nDefaults: {defaults}")  # noqa: T201
        return 0
    began = time.monotonic() if started is None else started
    output = Path(
        os.environ.get("SM_OUTPUT_DIR")
        or Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")).parent / "output"
    )
    return run_job(lambda: train(arguments, began), [output / "failure"])
