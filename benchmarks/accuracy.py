"""How good the classifier is on a folder of pictures, by nested cross-validation.

    python -m benchmarks.accuracy --data FOLDER [--folds 5] [--seeds 0 1 2] [--device cpu] [--only network]

Each outer fold is answered by models for which nothing was chosen with it: weights, number of epochs, temperature
and threshold come from the other folds. A small network from scratch and a frozen backbone with logistic regression
run over the same folds, so that a reader sees what each part buys.

Every picture is answered by several networks that did not learn from it: by one of its outer fold, and by those that
calibrate the models of the other outer folds. Those that most of these networks get wrong are shown on one sheet:
what of the remaining error is the network's, and what the labels' or the pictures', is for eyes to judge.

A run that was ended goes on where it was: each outer fold's answers are kept in `--out`, by the code, the pictures and
the hyperparameters that gave them.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.kept import Kept
from benchmarks.peers import Outcome, Stage, calibrate, frozen, scratch
from benchmarks.sheet import contact_sheet
from classifier.calibration import (
    bootstrap_interval,
    expected_calibration_error,
    rounded_up,
    upper_bound,
)
from classifier.errors import ClassifierError
from classifier.memory import keep_freed_memory
from classifier.network import EfficientNetLite0
from classifier.preprocessing import decode_pixels
from stacks.archives import weights_file
from training.errors import DatasetError, HyperparameterError, TrainingCodeError
from training.folds import CrossFit, average, deal
from training.hyperparameters import Hyperparameters
from training.job import choose_device
from training.pictures import Pictures
from training.run import Run, predict_logits
from training.staging.dataset import build_dataset
from training.staging.folder import open_folder
from training.world import World

NOT_SET = {
    "seed": "give --seeds",
    "device": "give --device",
    "threads": "set OMP_NUM_THREADS",
    "classes": "the folder's classes are learnt",
    "checkpoint-dir": "each outer fold's answers are kept in --out",
    "weights-sha256": "the installed package's weights are used",
}
"""Hyperparameters of the training job that mean nothing to the benchmark, and what to do instead."""
REACHED = 0.97
"""The accuracy whose training time is printed."""


@dataclass(frozen=True)
class Data:
    """The folder's pictures, and what to show of them."""

    version: str
    names: tuple[str, ...]
    pictures: Pictures
    originals: list[str]
    contents: list[bytes]


def read(folder: Path, image_size: int) -> Data:
    """Stage a folder in memory: checked, without copies, near duplicates grouped."""
    names, candidates = open_folder(folder, [])
    dataset, files = build_dataset("folder", names, candidates, log=lambda _: None)
    contents = [files[picture.file] for picture in dataset.pictures]
    pixels = torch.stack([decode_pixels(content, image_size)[0] for content in contents])
    labels = torch.tensor([names.index(picture.label) for picture in dataset.pictures])
    groups = tuple(picture.group for picture in dataset.pictures)
    originals = [picture.original for picture in dataset.pictures]
    return Data(dataset.version, names, Pictures(pixels, labels, groups), originals, contents)


def network(train: Pictures, test: Pictures, names: Sequence[str], run: Run) -> Outcome:
    """Train as the training job does, on one outer fold's other pictures."""
    started = time.perf_counter()
    seen: dict[EfficientNetLite0, list[EfficientNetLite0]] = {}

    def watch(network: EfficientNetLite0) -> None:
        seen.setdefault(network, []).append(copy.deepcopy(network))

    parts = deal(train, run.chosen.folds)
    kept, answers = CrossFit(replace(run, watch=watch), names, weights_file(), train, parts).run()
    temperature, threshold = calibrate(answers.logits, answers.labels, run.chosen.target_error)
    ended = time.perf_counter()
    logits = predict_logits(kept, test.pixels, run)
    stages = []
    for number in range(1, max(len(fit.epochs) for fit in answers.fits) + 1):
        # What the model would have been, had the training ended after this epoch: each fit keeps its best one.
        so_far = [fit.after(number) for fit in answers.fits]
        model = average([each[fit.best - 1] for each, fit in zip(seen.values(), so_far, strict=True)])
        right = (predict_logits(model, test.pixels, run).argmax(1) == test.labels).numpy()
        stages.append(Stage(sum(fit.seconds for fit in so_far), right))
    outcome = Outcome.of(logits.numpy(), test.labels.numpy(), temperature, threshold, ended - started)
    return replace(
        outcome,
        stages=tuple(stages),
        learnt_from=torch.cat(parts),
        learnt_wrong=(answers.logits.argmax(1) != answers.labels).numpy(),
    )


MODELS = {"network": network, "frozen": frozen, "scratch": scratch}


class Doubts:
    """Counts how often each picture was answered, and how often wrong, by models that had not learnt from it."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.asked = np.zeros(len(data.pictures), dtype=int)
        self.wrong = np.zeros(len(data.pictures), dtype=int)

    def add(self, rows: Tensor, wrong: NDArray[np.bool_]) -> None:
        """Count one model's answers to some of the pictures."""
        self.asked[rows.numpy()] += 1
        self.wrong[rows.numpy()] += wrong

    def most(self) -> list[int]:
        """Return the rows of the pictures that most answers got wrong, the worst first."""
        rows = [row for row in range(len(self.asked)) if 2 * self.wrong[row] > self.asked[row]]
        return sorted(rows, key=lambda row: (-self.wrong[row] / self.asked[row], self._data.originals[row]))

    def show(self, file: Path) -> list[dict[str, object]]:
        """Print how many there are, write them as one picture, and return them."""
        rows, total = self.most(), len(self.asked)
        always = sum(int(self.wrong[row] == self.asked[row]) for row in rows)
        print(
            f"wrong in most of their {self.asked.min()} to {self.asked.max()} answers by networks that had not "
            f"learnt from them: {len(rows)} of {total} pictures ({always} in every one). With these wrong and all "
            f"others right the accuracy would be {1 - len(rows) / total:.4f}.",
            flush=True,
        )
        data = self._data
        told = [f"{self.wrong[r]}/{self.asked[r]} {data.names[int(data.pictures.labels[r])]}" for r in rows]
        if rows:
            contact_sheet([data.contents[row] for row in rows], told, file)
            print(f"see {file}")
        return [
            {
                "picture": data.originals[row],
                "wrong": int(self.wrong[row]),
                "answers": int(self.asked[row]),
            }
            for row in rows
        ]


def time_to(accuracy: float, outcomes: Sequence[Outcome]) -> tuple[int, float] | None:
    """Return after how many epochs and seconds of training the pictures held out by all were so accurate."""
    for epoch in range(max(len(outcome.stages) for outcome in outcomes)):
        reached = [outcome.stages[min(epoch, len(outcome.stages) - 1)] for outcome in outcomes]
        if np.concatenate([stage.correct for stage in reached]).mean() >= accuracy:
            return epoch + 1, float(np.mean([stage.seconds for stage in reached]))
    return None


def summary(name: str, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Print and return one model's figures over the outer folds."""
    confidence = np.concatenate([outcome.confidence for outcome in outcomes])
    correct = np.concatenate([outcome.correct for outcome in outcomes])
    routed = np.concatenate([outcome.confidence >= outcome.threshold for outcome in outcomes])
    accuracies = [float(outcome.correct.mean()) for outcome in outcomes]
    wrong, taken = int((~correct[routed]).sum()), int(routed.sum())
    error = expected_calibration_error(confidence, correct)
    low, high = bootstrap_interval(
        lambda rows: expected_calibration_error(confidence[rows], correct[rows]), len(correct)
    )
    seconds = [outcome.seconds for outcome in outcomes]
    print(
        f"{name:8} accuracy {np.mean(accuracies):.4f} ± {np.std(accuracies, ddof=1):.4f} "
        f"({', '.join(f'{each:.3f}' for each in accuracies)})\n"
        f"{'':8} calibration error {error:.4f} (95 %: {low:.4f} to {high:.4f})\n"
        f"{'':8} routed {taken / len(correct):.4f}, of these wrong {wrong / max(1, taken):.4f} "
        f"({wrong} of {taken}; at 95 % at most {rounded_up(upper_bound(wrong, taken), 4):.4f})\n"
        f"{'':8} {np.mean(seconds):.0f} s a model with its calibration ({min(seconds):.0f} to {max(seconds):.0f})",
        flush=True,
    )
    figures: dict[str, object] = {
        "accuracy": accuracies,
        "calibration_error": [error, low, high],
        "routed": taken,
        "wrong_routed": wrong,
        "images": len(correct),
        "seconds": seconds,
    }
    if all(outcome.stages for outcome in outcomes):
        figures["training_seconds"] = [outcome.stages[-1].seconds for outcome in outcomes]
        figures["epochs"] = [len(outcome.stages) for outcome in outcomes]
        figures["time_to_accuracy"] = found = time_to(REACHED, outcomes)
        print(
            f"{'':8} {np.mean([outcome.stages[-1].seconds for outcome in outcomes]):.0f} s of it training; "
            + (
                f"{REACHED:.0%} of the held-out pictures right after {found[0]} epochs, {found[1]:.0f} s"
                if found
                else f"never {REACHED:.0%} of the held-out pictures right"
            ),
            flush=True,
        )
    return figures


def nested(
    name: str, data: Data, folds: Sequence[Tensor], run: Run, doubts: Doubts, kept: Kept
) -> dict[str, object]:
    """Run one model over the outer folds."""
    outcomes = []
    for number, rows in enumerate(folds, start=1):
        mask = torch.ones(len(data.pictures), dtype=torch.bool)
        mask[rows] = False
        rest = torch.nonzero(mask).flatten()
        answer = partial(MODELS[name], data.pictures.rows(rest), data.pictures.rows(rows), data.names, run)
        outcome, when = kept.outcome(f"{name}-{run.chosen.seed}-{number}", answer)
        print(
            f"{name} fold {number}: {outcome.correct.mean():.4f} in {outcome.seconds:.0f} s{when}", flush=True
        )
        outcomes.append(outcome)
        if outcome.learnt_from is not None and outcome.learnt_wrong is not None:
            doubts.add(rows, ~outcome.correct)
            doubts.add(rest[outcome.learnt_from], outcome.learnt_wrong)
    return summary(name, outcomes)


def _pair(word: str) -> tuple[str, str]:
    name, given, value = word.partition("=")
    if not given:
        raise argparse.ArgumentTypeError(f"{word!r} is no NAME=VALUE")
    return name, value


def _at_least(least: int, word: str) -> int:
    if not word.isdecimal() or int(word) < least:
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number from {least}")
    return int(word)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the models over the outer folds, and print their figures and the pictures that were wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description="Nested cross-validation."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--folds", type=partial(_at_least, 2), default=5, help="outer folds")
    parser.add_argument(
        "--seeds", type=partial(_at_least, 0), default=[0], nargs="+", help="all of it once for each"
    )
    parser.add_argument("--only", choices=MODELS, action="append", help="leave the other models out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--set", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/accuracy"),
        help="folder of figures.json, doubtful.png and what an ended run had",
    )
    options = parser.parse_args(arguments)
    keep_freed_memory()
    try:
        measure(options)
    except (TrainingCodeError, ClassifierError) as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{error.filename or options.out} cannot be used: {error.strerror}. See --out.")
    except KeyboardInterrupt:
        parser.exit(
            130, f"\nEnded. What was answered is kept in {options.out}, and the same command goes on there.\n"
        )


def measure(options: argparse.Namespace) -> None:
    """Run what the command line asks for."""
    given = Hyperparameters.from_pairs(options.set)
    for name, _ in options.set:
        if instead := NOT_SET.get(name.replace("_", "-")):
            raise HyperparameterError(f"The hyperparameter {name!r} is not set here: {instead}.")
    if given.folds == 1:
        raise HyperparameterError(
            "With one fold the job holds out its validation split, which there is none of here: set folds to 2 or more."
        )
    chosen = replace(given, device=options.device)
    device = choose_device(chosen)
    data = read(options.data, chosen.image_size)
    folds, doubts = deal(data.pictures, options.folds), Doubts(data)
    if not all(map(len, folds)):
        raise DatasetError(f"{options.folds} outer folds are too many for {len(data.pictures)} pictures.")
    options.out.mkdir(parents=True, exist_ok=True)
    kept = Kept.of(
        options.out, data.version, options.folds, {**chosen.to_strings(), "seed": ""}, str(torch.__version__)
    )
    result: dict[str, object] = {"hyperparameters": chosen.to_strings()}
    for seed in dict.fromkeys(options.seeds):
        print(
            f"{len(data.pictures)} pictures of {', '.join(data.names)}; {options.folds} outer folds, seed {seed}"
        )
        run = Run(
            replace(chosen, seed=seed),
            device,
            World(),
            {},
            lambda line: print(f"  {line}", flush=True),
        )
        result[f"seed {seed}"] = {
            name: nested(name, data, folds, run, doubts, kept) for name in options.only or MODELS
        }
    if doubts.asked.any():
        result["doubtful"] = doubts.show(options.out / "doubtful.png")
    (options.out / "figures.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
