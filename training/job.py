"""The training job: channels in, a calibrated model out."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from classifier.artifact import save_model
from classifier.calibration import choose_threshold, fit_temperature, softmax
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0, load_pretrained
from training.errors import DatasetError, HyperparameterError
from training.fitting import Epoch, Fitting, predict_logits
from training.hyperparameters import Hyperparameters
from training.pictures import Pictures, class_names, read_split
from training.reporting import log, run_job


@dataclass
class Phases:
    """Seconds of each phase, so that set-up and training can be told apart."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)


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
    return Hyperparameters.from_strings(
        {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    )


def _channel(name: str) -> Path:
    path = Path(os.environ.get(f"SM_CHANNEL_{name.upper()}", f"/opt/ml/input/data/{name}"))
    if not path.is_dir():
        raise DatasetError(f"The input channel {name!r} is missing: give it to the training job.")
    return path


def _only_file(name: str, pattern: str) -> Path:
    files = sorted(_channel(name).rglob(pattern))
    if not files:
        raise DatasetError(f"The input channel {name!r} holds no {pattern} file.")
    return files[0]


def _device(chosen: Hyperparameters) -> torch.device:
    if chosen.device == "cuda" and not torch.cuda.is_available():
        raise HyperparameterError(
            "The hyperparameter 'device' is 'cuda', and this machine has no usable GPU: leave it at 'auto'."
        )
    if chosen.device != "auto":
        return torch.device(chosen.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(arguments: Sequence[str]) -> None:
    """Train, calibrate and write the model."""
    chosen = parse(arguments)
    phases = Phases()
    torch.manual_seed(chosen.seed)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    device = _device(chosen)
    manifest = json.loads(_only_file("manifest", "*.json").read_text(encoding="utf-8"))
    with phases.phase("read"):
        wanted = [name.strip() for name in chosen.classes.split(",") if name.strip()]
        names = class_names(_channel("train"), wanted)
        training, validation = (
            read_split(_channel(split), names, chosen.image_size) for split in ("train", "validation")
        )
    with phases.phase("load"):
        network = EfficientNetLite0(len(names), chosen.dropout)
        load_pretrained(network, _only_file("weights", "*.pth"))
    log(
        f"training on {len(training)} pictures of {', '.join(names)}, validating on {len(validation)}, on {device}"
    )
    # Where files are must not decide whether a checkpoint fits; all else must, the schedule included.
    decisive = {k: v for k, v in asdict(chosen).items() if k not in ("checkpoint_dir", "threads", "device")}
    identity = {"dataset": manifest["version"], "classes": list(names), **decisive}
    with phases.phase("train"):
        epochs = Fitting(network, chosen, device, identity, log).run(training, validation)
    with phases.phase("calibrate"):
        card = _card(network, chosen, names, manifest, validation, device)
    log(
        f"temperature={card.temperature:.3f} threshold={card.threshold:.3f} "
        f"coverage={card.calibration['coverage']:.3f} accuracy={card.validation['accuracy']:.4f};"
    )
    _write(network, card, epochs, phases)


def _card(
    network: EfficientNetLite0,
    chosen: Hyperparameters,
    names: Sequence[str],
    manifest: dict[str, Any],
    validation: Pictures,
    device: torch.device,
) -> ModelCard:
    logits = predict_logits(network, validation.pixels, device).numpy()
    labels = validation.labels.numpy()
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits, temperature)
    correct = probabilities.argmax(axis=1) == labels
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
        calibrated_on="validation",
        calibration=threshold.as_dict(),
        hyperparameters=dict(chosen.to_strings()),
        validation={"accuracy": float(correct.mean()), "n": len(labels)},
    )


def _write(network: EfficientNetLite0, card: ModelCard, epochs: Sequence[Epoch], phases: Phases) -> None:
    folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    with phases.phase("write"):
        save_model(folder, network, card)
    metrics = {"epochs": [asdict(epoch) for epoch in epochs], "phases": phases.seconds}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    log("phases " + " ".join(f"{name}={seconds:.1f}s" for name, seconds in phases.seconds.items()))


def main(arguments: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    output = Path(
        os.environ.get("SM_OUTPUT_DIR")
        or Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")).parent / "output"
    )
    return run_job(lambda: train(arguments), [output / "failure"])
