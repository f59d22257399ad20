"""How good the classifier is on a folder of pictures, by nested cross-validation.

    python -m benchmarks.accuracy --data FOLDER [--folds 5] [--device cpu] [--only network]

Each outer fold is answered by models for which nothing was chosen with it: weights, number of epochs, temperature
and threshold come from the other folds. A small network from scratch and a frozen backbone with logistic regression
run over the same folds, so that a reader sees what each part buys.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.peers import Outcome, calibrate, frozen, scratch
from classifier.calibration import (
    bootstrap_interval,
    expected_calibration_error,
    upper_bound,
)
from classifier.preprocessing import decode_pixels
from stacks.assets import weights_file
from training.fitting import Run, predict_logits
from training.folds import CrossFit, deal
from training.hyperparameters import Hyperparameters
from training.memory import keep_freed_memory
from training.pictures import Pictures
from training.staging.dataset import build_dataset
from training.staging.folder import open_folder
from training.world import World


def read(folder: Path, image_size: int) -> tuple[tuple[str, ...], Pictures, list[str]]:
    """Stage a folder in memory: checked, without copies, near duplicates grouped; and the files' names."""
    classes, candidates = open_folder(folder, [])
    dataset, files = build_dataset("folder", classes, candidates, log=lambda _: None)
    pixels = torch.stack([decode_pixels(files[p.file], image_size)[0] for p in dataset.pictures])
    labels = torch.tensor([classes.index(p.label) for p in dataset.pictures])
    groups = tuple(p.group for p in dataset.pictures)
    return classes, Pictures(pixels, labels, groups), [p.original for p in dataset.pictures]


def network(train: Pictures, test: Pictures, names: Sequence[str], run: Run) -> Outcome:
    """Train as the training job does, on one outer fold's other pictures."""
    started = time.perf_counter()
    fits = CrossFit(run, names, weights_file(), train, deal(train, run.chosen.folds))
    answers = fits.answers()
    temperature, threshold = calibrate(answers.logits, answers.labels, run.chosen.target_error)
    calibrated = time.perf_counter()
    kept = fits.network(answers.epochs)
    ended = time.perf_counter()
    logits = predict_logits(kept, test.pixels, run).numpy()
    outcome = Outcome.of(logits, test.labels.numpy(), temperature, threshold, ended - started)
    return replace(outcome, final_seconds=ended - calibrated, epochs=answers.epochs)


MODELS = {"network": network, "frozen": frozen, "scratch": scratch}


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
    final = [outcome.final_seconds for outcome in outcomes]
    print(
        f"{name:8} accuracy {np.mean(accuracies):.4f} ± {np.std(accuracies, ddof=1):.4f} "
        f"({', '.join(f'{each:.3f}' for each in accuracies)})\n"
        f"{'':8} calibration error {error:.4f} (95 %: {low:.4f} to {high:.4f})\n"
        f"{'':8} routed {taken / len(correct):.4f}, of these wrong {wrong / max(1, taken):.4f} "
        f"({wrong} of {taken}; at 95 % at most {upper_bound(wrong, taken):.4f})\n"
        f"{'':8} {np.mean(seconds):.0f} s a model with its calibration ({min(seconds):.0f} to {max(seconds):.0f})"
        + (f", {np.mean(final):.0f} s of it its own training" if any(final) else ""),
        flush=True,
    )
    return {
        "accuracy": accuracies,
        "calibration_error": [error, low, high],
        "routed": taken,
        "wrong_routed": wrong,
        "images": len(correct),
        "seconds": seconds,
        "final_seconds": final,
        "epochs": [outcome.epochs for outcome in outcomes],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the models over the outer folds, and print their figures and the pictures that were wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description="Nested cross-validation."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--folds", type=int, default=5, help="outer folds")
    parser.add_argument("--only", choices=MODELS, action="append", help="leave the other models out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    given = dict(each.split("=", 1) for each in options.set)
    chosen = replace(Hyperparameters.from_strings(given), seed=options.seed, device=options.device)
    names, pictures, files = read(options.data, chosen.image_size)
    folds = deal(pictures, options.folds)
    run = Run(chosen, torch.device(options.device), World(), {}, lambda line: print(f"  {line}", flush=True))
    print(f"{len(pictures)} pictures of {', '.join(names)}; {options.folds} outer folds, seed {options.seed}")
    result: dict[str, object] = {"hyperparameters": chosen.to_strings()}
    for name in options.only or MODELS:
        outcomes = []
        wrong = []
        for number, rows in enumerate(folds, start=1):
            rest = torch.ones(len(pictures), dtype=torch.bool)
            rest[rows] = False
            outcome = MODELS[name](
                pictures.rows(torch.nonzero(rest).flatten()), pictures.rows(rows), names, run
            )
            outcomes.append(outcome)
            wrong += [
                files[row] for row, right in zip(rows.tolist(), outcome.correct, strict=True) if not right
            ]
            print(
                f"{name} fold {number}: {outcome.correct.mean():.4f} in {outcome.seconds:.0f} s", flush=True
            )
        result[name] = {**summary(name, outcomes), "wrong": sorted(wrong)}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
