"""The figures of one model's answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from classifier.calibration import (
    bootstrap_interval,
    equal_mass_bins,
    expected_calibration_error,
    rounded_up,
    upper_bound,
    wilson_interval,
)
from training.evaluation.answers import Answer

BINS = 15
_POINTS = 200


def at_most(bound: float | None) -> str:
    """Write an upper bound in percent, rounded so that it stays one."""
    return "none" if bound is None else f"{rounded_up(bound, 3):.1%}"


def summarize(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the figures of one model's answers."""
    count = len(answers)
    right = sum(answer.correct for answer in answers)
    routed = [answer for answer in answers if answer.confident]
    classes = sorted({name for answer in answers for name in (answer.expected, answer.predicted)})
    confusion = [
        [sum(a.expected == expected and a.predicted == predicted for a in answers) for predicted in classes]
        for expected in classes
    ]
    return {
        "n": count,
        "accuracy": right / count,
        "interval95": list(wilson_interval(right, count)),
        "coverage": len(routed) / count,
        "accuracy_when_routed": sum(a.correct for a in routed) / len(routed) if routed else None,
        "threshold": answers[0].threshold,
        "model_version": answers[0].model_version,
        "classes": classes,
        "confusion": confusion,
        "per_class": {name: _class(answers, name) for name in classes},
    }


def _class(answers: Sequence[Answer], name: str) -> dict[str, float | None]:
    hits = sum(a.expected == name and a.predicted == name for a in answers)
    said = sum(a.predicted == name for a in answers)
    there = sum(a.expected == name for a in answers)
    return {"precision": hits / said if said else None, "recall": hits / there if there else None}


def calibration(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the calibration error with its bootstrap interval, and the reliability diagram's bins."""
    confidence = np.array([answer.confidence for answer in answers])
    correct = np.array([answer.correct for answer in answers])
    interval = bootstrap_interval(
        lambda rows: expected_calibration_error(confidence[rows], correct[rows], BINS), len(answers)
    )
    return {
        "error": expected_calibration_error(confidence, correct, BINS),
        "interval95": list(interval),
        "bins": [vars(each) for each in equal_mass_bins(confidence, correct, BINS)],
    }


def risk_coverage(answers: Sequence[Answer]) -> list[dict[str, float]]:
    """
    Return what share is wrong of the surest images, by the share that they are of all.

    The threshold is a choice on this curve; at most 200 of its points are kept.
    """
    ordered = sorted(answers, key=lambda answer: -answer.confidence)
    wrong = np.cumsum([not answer.correct for answer in ordered])
    last = [
        index
        for index, answer in enumerate(ordered)
        # Equal confidences are routed together.
        if index + 1 == len(ordered) or ordered[index + 1].confidence < answer.confidence
    ]
    kept = [last[round(i)] for i in np.linspace(0, len(last) - 1, min(_POINTS, len(last)))]
    return [
        {
            "coverage": (index + 1) / len(ordered),
            "error": float(wrong[index]) / (index + 1),
            "threshold": ordered[index].confidence,
        }
        for index in kept
    ]


def routing(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return what the threshold in the answers would have done."""
    routed = [answer for answer in answers if answer.confident]
    wrong = sum(not answer.correct for answer in routed)
    return {
        "routed": len(routed),
        "wrong": wrong,
        "error": wrong / len(routed) if routed else None,
        "error_upper95": upper_bound(wrong, len(routed)) if routed else None,
    }
