"""Whether a model may be deployed: an absolute floor, and not worse than the champion beyond chance."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.errors import EvaluationError
from training.evaluation.answers import Answer

_Z95 = 1.959963984540054
_SIGNIFICANCE = 0.05


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of McNemar's exact test: how often a fair coin splits the changed answers so unevenly."""
    changed = gained + lost
    tail = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


def compare(answers: Sequence[Answer], champion: Sequence[Answer]) -> dict[str, Any]:
    """
    Compare two models on the same pictures.

    Returns
    -------
    dict
        `difference` of the accuracies with its approximate 95 % interval, `p_value` of McNemar's exact test, and
        `worse`: whether more pictures were lost than gained and the test says that at 5 %. The interval alone
        would call four lost pictures proof, which chance does once in eight times.

    Raises
    ------
    EvaluationError
        When they did not answer the same pictures.
    """
    theirs = {answer.file: answer for answer in champion}
    if {answer.file for answer in answers} != set(theirs):
        raise EvaluationError("The champion and the new model did not answer the same pictures.")
    gained = sum(a.correct and not theirs[a.file].correct for a in answers)
    lost = sum(not a.correct and theirs[a.file].correct for a in answers)
    count = len(answers)
    difference = (gained - lost) / count
    spread = math.sqrt(max(0.0, gained + lost - (gained - lost) ** 2 / count)) / count
    interval = [difference - _Z95 * spread, difference + _Z95 * spread]
    p_value = mcnemar(gained, lost)
    return {
        "accuracy": sum(answer.correct for answer in champion) / count,
        "difference": difference,
        "interval95": interval,
        "p_value": p_value,
        "worse": lost > gained and p_value < _SIGNIFICANCE,
        "model_version": champion[0].model_version,
    }


def judge(figures: Mapping[str, Any], champion: Mapping[str, Any] | None, floor: float) -> tuple[bool, str]:
    """Return whether the model may be deployed, and why, in one sentence."""
    accuracy = f"{figures['accuracy']:.1%} of {figures['n']} test images right"
    if figures["accuracy"] < floor:
        return False, f"{accuracy}, below the floor of {floor:.1%}."
    if champion is not None and champion["worse"]:
        return False, f"{accuracy}, worse than the champion's {champion['accuracy']:.1%} beyond chance."
    if champion is not None:
        return True, f"{accuracy}, not worse than the champion's {champion['accuracy']:.1%}."
    return True, f"{accuracy}, at or above the floor of {floor:.1%}."
