"""Whether a model may be deployed: an absolute floor, and not worse than the champion beyond the interval."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from scipy import stats

from training.errors import EvaluationError
from training.evaluation.answers import Answer
from training.evaluation.figures import summarize

RECENT = timedelta(days=90)


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
        `difference` of the accuracies; its exact 95 % interval, given how many answers changed (Clopper and Pearson's
        of the share of these that were gained); `worse`: whether all of that interval is below nothing; and the
        `p_value` of McNemar's exact test, which then is below 5 %. The usual interval, of the normal distribution,
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
    changed = gained + lost
    interval = [0.0, 0.0]
    if changed:
        share = stats.binomtest(gained, changed).proportion_ci(0.95, method="exact")
        interval = [(2 * float(end) - 1) * changed / count for end in (share.low, share.high)]
    return {
        "accuracy": sum(answer.correct for answer in champion) / count,
        "difference": (gained - lost) / count,
        "interval95": interval,
        "p_value": mcnemar(gained, lost),
        "worse": interval[1] < 0,
        "model_version": champion[0].model_version,
    }


@dataclass(frozen=True)
class Verdict:
    """
    What was found of a model.

    Parameters
    ----------
    answers
        Those to the source's own test pictures, which its figures are of: they stay comparable as reviews come in.
    figures
        Of these answers.
    champion
        How the champion compares on them, if there is one.
    reviewed
        Figures of the answers to pictures that people classified of late, with `champion` as above; None without any.
    accepted, reason
        Whether the model may be deployed, and why, in one sentence.
    """

    answers: Sequence[Answer]
    figures: Mapping[str, Any]
    champion: Mapping[str, Any] | None
    reviewed: Mapping[str, Any] | None
    accepted: bool
    reason: str

    @property
    def brief_of_reviewed(self) -> dict[str, Any] | None:
        """What the workflow is told of the reviewed pictures; None without any."""
        if self.reviewed is None:
            return None
        champion = self.reviewed["champion"]
        return {
            **{name: self.reviewed[name] for name in ("accuracy", "n", "interval95")},
            "champion_accuracy": champion["accuracy"] if champion else None,
        }


def decide(
    answers: Sequence[Answer],
    champion: Sequence[Answer] | None,
    reviewed: Mapping[str, date | None],
    floor: float,
) -> Verdict:
    """
    Judge a model on the source's test pictures and on those that were reviewed of late, each by itself.

    Pictures that a model was unsure of are harder than those of the source: in one figure, the more of them there are
    the worse every model would look.

    Parameters
    ----------
    champion
        The champion's answers to the same pictures, if there is one.
    reviewed
        Files of the test split that people classified, and when.
    floor
        Accuracy on the source's test pictures, 0…1.

    Raises
    ------
    EvaluationError
        When no test picture is the source's, or the models answered different ones.
    """
    late = recent(reviewed)
    own, theirs = _of(answers, lambda file: file not in reviewed), _of(answers, late.__contains__)
    if not own:
        raise EvaluationError(
            "No test picture comes from the source, so there is no floor to judge by: add pictures to the source."
        )
    figures = summarize(own)
    compared = compare(own, _of(champion, lambda file: file not in reviewed)) if champion else None
    about: dict[str, Any] | None = None
    if theirs:
        beside = compare(theirs, _of(champion, late.__contains__)) if champion else None
        about = {**summarize(theirs), "champion": beside}
    return Verdict(own, figures, compared, about, *judge(figures, compared, floor, about))


def recent(reviewed: Mapping[str, date | None]) -> frozenset[str]:
    """
    Return the files that were reviewed in the last `RECENT` before the newest review.

    Traffic changes, and what a model makes of last year's is no reason to refuse one that reads today's. A file of
    no known day counts as recent.
    """
    since = max((day for day in reviewed.values() if day), default=date.min)
    return frozenset(file for file, day in reviewed.items() if day is None or since - day <= RECENT)


def _of(answers: Sequence[Answer], chosen: Callable[[str], bool]) -> list[Answer]:
    return [answer for answer in answers if chosen(answer.file)]


def judge(
    figures: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    floor: float,
    reviewed: Mapping[str, Any] | None = None,
) -> tuple[bool, str]:
    """Return whether the model may be deployed, and why, in one sentence that names the pictures that decided it."""
    whose = "test images of the source" if reviewed else "test images"
    accuracy = f"{figures['accuracy']:.1%} of {figures['n']} {whose} right"
    if figures["accuracy"] < floor:
        return False, f"{accuracy}, below the floor of {floor:.1%}."
    if champion is not None and champion["worse"]:
        return False, f"{accuracy}, worse beyond chance than the champion's {_beside(champion)}."
    also = ""
    if reviewed:
        right = f"{reviewed['accuracy']:.1%} of {reviewed['n']} recently reviewed test images right"
        other = reviewed["champion"]
        if other is not None and other["worse"]:
            return False, f"{right}, worse beyond chance than the champion's {_beside(other)}."
        also = f"; {right}" + (f", not worse than its {_beside(other)}" if other is not None else "")
    if champion is not None:
        return True, f"{accuracy}, not worse than the champion's {_beside(champion)}{also}."
    return True, f"{accuracy}, at or above the floor of {floor:.1%}{also}."


def _beside(champion: Mapping[str, Any]) -> str:
    """Name the champion's accuracy, and the interval that decides: "worse" is all of it below nothing."""
    low, high = (100 * end for end in champion["interval95"])
    return f"{champion['accuracy']:.1%} (difference at 95 %: {low:+.1f} to {high:+.1f} points)"
