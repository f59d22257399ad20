"""
How often clean traffic raises an alarm, and how surely a shift does.

Run with ``python -m benchmarks.drift --data FOLDER``; without a folder it takes drawings. Each run draws pictures
for a baseline of its own, and two windows from the others; the analysis job's own judgement is asked of each window.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.options import at_least_one, pictures_in
from benchmarks.shifts import MODEL, SHIFTS, Traffic, pictures, traffic
from training.analysis.baselines import Baseline
from training.analysis.job import judge
from training.analysis.records import INPUTS, Prediction
from training.analysis.windows import Window

TESTED = 200
"""Answers of the baseline: the test split of a model of about 1,000 pictures."""
WINDOWS = 2
CLEAN = 5
"""Clean runs for each run with shifts: rare alarms take many windows to count, and these are cheap."""
MIX = 0.8
RIGHT = {**dict.fromkeys(SHIFTS, "input"), "class mix": "classes", "new objects": "embedding"}
HOW = {
    **{name: how for name, (how, _) in SHIFTS.items()},
    "class mix": f"{MIX:.0%} of one class",
    "new objects": "drawings of scones, in the pictures' size",
}
_MINIMUM = 50
Rows = NDArray[np.int64]


class Draw(NamedTuple):
    """One run's rows: of the inputs learnt from, of the test split, and of those that the windows are from."""

    learnt: Rows
    tested: Rows
    held: Rows


class Simulation:
    """Draws baselines and windows, and has them judged."""

    def __init__(self, seen: Traffic, images: int) -> None:
        self.seen, self.images = seen, images
        count = len(seen.labels)
        self.disjoint = count >= WINDOWS * images + TESTED + _MINIMUM
        self.tested = TESTED if self.disjoint else count // 4

    def draw(self, random: np.random.Generator) -> Draw:
        """Divide the pictures of one run."""
        rows = random.permutation(len(self.seen.labels))
        held = WINDOWS * self.images if self.disjoint else len(rows) // 2
        return Draw(rows[held + self.tested :], rows[held : held + self.tested], rows[:held])

    def baseline(self, drawn: Draw) -> Baseline:
        """Return what the evaluation job would have kept of one run's pictures."""
        clean = self.seen.variants["clean"]
        learnt, tested = ([clean[row] for row in rows] for rows in (drawn.learnt, drawn.tested))
        return Baseline(
            classes=self.seen.classes,
            inputs={name: np.array([(each.inputs or {})[name] for each in learnt]) for name in INPUTS},
            labels=tuple(each.label for each in tested),
            confidence=np.array([each.confidence for each in tested]),
            confident=np.array([each.confident for each in tested]),
            embedding=np.array([each.embedding for each in tested]),
        )

    def windows(self, shift: str, drawn: Draw, random: np.random.Generator) -> list[list[Prediction]]:
        """Draw one run's windows of a shift."""
        if shift == "new objects":
            rows = random.permutation(len(self.seen.foreign))[: WINDOWS * self.images]
            return [[self.seen.foreign[row] for row in part] for part in np.array_split(rows, WINDOWS)]
        if shift == "class mix":
            first = self.seen.labels[drawn.held] == self.seen.classes[0]
            counts = (round(MIX * self.images), self.images - round(MIX * self.images))
            parts = [
                np.concatenate(
                    [
                        random.choice(drawn.held[mask], count)
                        for mask, count in zip((first, ~first), counts, strict=True)
                    ]
                )
                for _ in range(WINDOWS)
            ]
        elif self.disjoint:
            parts = np.array_split(drawn.held, WINDOWS)
        else:
            parts = [random.choice(drawn.held, self.images) for _ in range(WINDOWS)]
        answers = self.seen.variants.get(shift, self.seen.variants["clean"])
        return [[answers[row] for row in part] for part in parts]

    def kinds(self, shift: str, seed: int) -> list[list[str]]:
        """Return which kinds of drift each window of one run raised."""
        random = np.random.default_rng(seed)
        drawn = self.draw(random)
        baseline = self.baseline(drawn)
        return [
            judge(Window(MODEL, records), baseline, _MINIMUM)["kinds"]
            for records in self.windows(shift, drawn, random)
        ]


def share(count: int, of: int) -> str:
    """Return a share in per cent with its exact interval (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    return f"{100 * count / of:.2f} ({100 * interval.low:.2f} to {100 * interval.high:.2f})"


def report_clean(simulation: Simulation, runs: int) -> None:
    """Print the false alarms of clean windows."""
    raised: Counter[str] = Counter()
    windows = alarms = any_alarm = 0
    for seed in range(runs):
        found = simulation.kinds("clean", seed)
        raised.update(kind for kinds in found for kind in kinds)
        windows, alarms = windows + len(found), alarms + sum(bool(kinds) for kinds in found)
        any_alarm += any(found)
    print(
        f"clean: {alarms} of {windows} windows, false alarms per 100 windows {share(alarms, windows)} at 95 %"
    )
    print(f"  runs with any: {any_alarm} of {runs}; kinds: {dict(raised) or 'none'}")


def report_shift(simulation: Simulation, shift: str, runs: int) -> None:
    """Print how often a shift was found, and as what."""
    first = either = right = 0
    raised: Counter[str] = Counter()
    for seed in range(runs):
        found = simulation.kinds(shift, seed)
        hit = [RIGHT[shift] in kinds for kinds in found]
        first, either, right = first + hit[0], either + any(hit), right + sum(hit)
        raised.update(kind for kinds in found for kind in kinds)
    kinds = ", ".join(f"{kind} {100 * n / (WINDOWS * runs):.0f}" for kind, n in sorted(raised.items()))
    print(
        f"{shift} ({HOW[shift]}): `{RIGHT[shift]}` raised within one window {share(first, runs)}, "
        f"within two {share(either, runs)} % of runs; kinds, % of windows: {kinds or 'none'}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__.split("\n")[1])
    parser.add_argument("--runs", type=at_least_one, default=200, help="seeded runs of each shift")
    parser.add_argument("--window", type=at_least_one, default=200, help="images in a window")
    parser.add_argument("--data", type=pictures_in, help="class folders of pictures; drawings without")
    parser.add_argument("--image-size", type=at_least_one, default=160, help="side of the network's input")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    found = pictures(options.data)
    simulation = Simulation(traffic(found, options.image_size), options.window)
    sampled = "disjoint pictures" if simulation.disjoint else "pictures drawn with replacement (too few)"
    drawn = simulation.draw(np.random.default_rng(0))
    print(
        f"{len(found)} {'pictures' if options.data else 'drawings'}, measured in "
        f"{time.perf_counter() - started:.0f} s; {options.runs} runs, windows of {options.window}: {sampled}, "
        f"those of the class mix with replacement; baseline: inputs of {len(drawn.learnt)}, "
        f"answers to {len(drawn.tested)}"
    )
    report_clean(simulation, CLEAN * options.runs)
    for shift in RIGHT:
        report_shift(simulation, shift, options.runs)
    print(f"in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
