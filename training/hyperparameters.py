"""The training job's hyperparameters: typed here, strings in SageMaker, the same names with '-' for '_'."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

from training.errors import HyperparameterError


@dataclass(frozen=True)
class Hyperparameters:
    """
    How to train.

    Parameters
    ----------
    epochs
        Passes over the training split, at most; early stopping may end before.
    patience
        Epochs without a better validation loss before training stops; 0 never stops early. What is kept is the
        epoch with the best, in either case.
    folds
        Parts of the pictures outside the test split. Each is held out from one network that learns from the
        others; the answers calibrate the model, whose weights are the mean of the networks'. 1 holds out the
        validation split alone, once.
    image_size
        Side of the network's input, pixels; a multiple of 32.
    batch_size
        Images per optimizer step.
    learning_rate
        Peak rate of the head.
    body_rate
        The pretrained body's rate as a share of the head's; 0 freezes the body.
    frozen_blocks
        Blocks of the body, from the input, that stay as they were pretrained, and the stem with them; 0 trains
        all.
    weight_decay
        AdamW's decoupled decay.
    warmup_epochs
        Epochs in which the rate rises from nothing.
    label_smoothing
        Probability mass taken from the true label, 0…1.
    dropout
        Share of pooled features dropped in training, 0…1.
    ema_decay
        Decay per step of the weights' moving average, which is what is kept; less in the first steps. 0 keeps the
        last weights.
    augmentation
        Strength of random crops, turns and colours: 0 none, 1 as tuned.
    mixup
        How evenly two pictures and their labels are blended into one: both parameters of a beta distribution;
        0 blends none.
    seed
        Seed of everything random.
    threads
        CPU threads; 0 leaves torch's choice.
    target_error
        Share of wrong images allowed among routed ones, 0…1; the threshold is chosen for it.
    classes
        Expected class names, comma-separated, in the order of the outputs; empty takes the manifest's.
    weights_sha256
        Hash of the pretrained weights' file, hexadecimal in either case; other weights are refused.
        Empty takes any.
    device
        ``auto`` (GPU when there is one), ``cpu`` or ``cuda``.
    checkpoint_dir
        Folder of checkpoints; empty keeps none. In it, ``{trial}`` stands for a hash of what is trained how, so
        that jobs which try different hyperparameters can share a folder.
    """

    epochs: int = 8
    patience: int = 4
    folds: int = 4
    image_size: int = 160
    batch_size: int = 32
    learning_rate: float = 0.001
    body_rate: float = 0.3
    frozen_blocks: int = 3
    weight_decay: float = 0.02
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.05
    dropout: float = 0.2
    ema_decay: float = 0.97
    augmentation: float = 1.0
    mixup: float = 0.2
    seed: int = 0
    threads: int = 0
    target_error: float = 0.01
    classes: str = ""
    weights_sha256: str = ""
    device: str = "auto"
    checkpoint_dir: str = ""

    def __post_init__(self) -> None:
        """Refuse values that make no sense, by name."""
        for name, (holds, wanted) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise HyperparameterError(
                    f"The hyperparameter {_key(name)!r} is {value!r}, and it must be {wanted}."
                )

    @classmethod
    def from_strings(cls, values: Mapping[str, str]) -> "Hyperparameters":
        """Read SageMaker's strings, as `from_pairs` does."""
        return cls.from_pairs(values.items())

    @classmethod
    def from_pairs(cls, values: Iterable[tuple[str, str]]) -> "Hyperparameters":
        """
        Read names and values; names may be written with '-' or '_'.

        Raises
        ------
        HyperparameterError
            Naming the key that is unknown or given twice, or whose value is wrong.
        """
        kinds: dict[str, type] = {field.name: type(getattr(cls, field.name)) for field in fields(cls)}
        typed: dict[str, object] = {}
        for key, text in values:
            name = key.replace("-", "_")
            if name not in kinds:
                known = ", ".join(_key(n) for n in kinds)
                raise HyperparameterError(f"There is no hyperparameter {key!r}: known are {known}.")
            if name in typed:
                raise HyperparameterError(f"The hyperparameter {_key(name)!r} is given twice: give it once.")
            try:
                typed[name] = _typed(kinds[name], text.strip())
            except ValueError as error:
                kind = "a whole number" if kinds[name] is int else "a number"
                raise HyperparameterError(
                    f"The hyperparameter {_key(name)!r} is {text!r}, and it must be {kind}."
                ) from error
        if "weights_sha256" in typed:
            typed["weights_sha256"] = str(typed["weights_sha256"]).lower()
        return cls(**typed)  # type: ignore[arg-type]

    def to_strings(self) -> dict[str, str]:
        """Write every value as SageMaker wants it: text, keys with '-', empty ones left out."""
        texts = {_key(field.name): str(getattr(self, field.name)) for field in fields(self)}
        return {key: text for key, text in texts.items() if text}


def _typed(kind: type, text: str) -> object:
    # Python reads 1_0 as 10, and other scripts' digits, which whoever wrote it hardly meant.
    if kind is not str and ("_" in text or not text.isascii()):
        raise ValueError(text)
    value: object = kind(text)
    return value


def _key(name: str) -> str:
    return name.replace("_", "-")


_Rule = tuple[Callable[..., bool], str]
_SHARE: _Rule = (lambda v: 0.0 <= v < 1.0, "at least 0 and below 1")
_RULES: dict[str, _Rule] = {
    "epochs": (lambda v: 1 <= v <= 1000, "from 1 to 1000"),
    "patience": (lambda v: v >= 0, "0 or more"),
    "folds": (lambda v: 1 <= v <= 20, "from 1 to 20"),
    "frozen_blocks": (lambda v: 0 <= v <= 16, "from 0 to 16"),
    "image_size": (lambda v: 32 <= v <= 512 and v % 32 == 0, "a multiple of 32 from 32 to 512"),
    "batch_size": (lambda v: 2 <= v <= 4096, "from 2 to 4096"),
    "learning_rate": (lambda v: 0.0 < v <= 1.0, "above 0 and at most 1"),
    "body_rate": (lambda v: 0.0 <= v <= 10.0, "from 0 to 10"),
    "weight_decay": (lambda v: 0.0 <= v <= 1.0, "from 0 to 1"),
    "warmup_epochs": (lambda v: 0.0 <= v <= 1000.0, "from 0 to 1000"),
    "label_smoothing": _SHARE,
    "dropout": _SHARE,
    "ema_decay": _SHARE,
    "augmentation": (lambda v: 0.0 <= v <= 3.0, "from 0 to 3"),
    "mixup": (lambda v: 0.0 <= v <= 10.0, "from 0 to 10"),
    "seed": (lambda v: 0 <= v < 2**32, "from 0 to 4294967295"),
    "threads": (lambda v: 0 <= v <= 256, "from 0 to 256"),
    "target_error": (lambda v: 1e-6 <= v < 0.5, "at least 0.000001 and below 0.5"),
    "weights_sha256": (lambda v: bool(re.fullmatch("([0-9a-f]{64})?", v)), "64 hexadecimal digits"),
    "device": (lambda v: v in ("auto", "cpu", "cuda"), "'auto', 'cpu' or 'cuda'"),
    "checkpoint_dir": (lambda v: "\0" not in v, "a path without a NUL character"),
}
