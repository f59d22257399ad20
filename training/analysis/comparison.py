"""
What a shadow's answers say beside those of the model that answered, picture by picture.

Which reviews count is decided by how a picture came to people. They see every picture that the model which answered
was unsure of: there it is at its weakest by selection, and any other model would look better. They see a random sample
of those that it was sure of: there it is at its best, and any other would look worse. So right and wrong are compared
on the sampled pictures that *both* were sure of, a random sample of a group that favours neither. That is blind to a
shadow that is too sure of itself, which is why its answers to the pictures that it *alone* was sure of are judged too.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scipy import stats

from training.analysis.drift import holm
from training.analysis.quality import MINIMUM, share
from training.analysis.records import NONE

ALPHA = 0.05
"""False verdicts of one direction that all its tests together may give at one look."""
_MATTERS = 0.1
"""Shares of pictures, left to people or of another class, that matter: as in `drift.NEEDED`."""


class Pair(NamedTuple):
    """Two answers to one picture that people may review; `alone` where only the shadow was sure."""

    hour: int
    version: str
    beside: str
    label: str
    label_beside: str
    alone: bool


@dataclass
class Comparison:
    """
    The pairs of one shadow model and one model that answered.

    Parameters
    ----------
    at
        When the newest pair was counted, seconds since 1970.
    confusion
        Pictures by the class that the model which answered said, and then by the shadow's.
    unsure, unsure_beside
        Pictures that the shadow would leave to people, and that the other left to them.
    alone
        Those of the latter that the shadow was sure of.
    apart
        Pictures that both were sure of, as something else.
    reviewed, right, right_beside
        Sampled pictures that both were sure of and people know a class for, and on how many each was right.
    gained, lost
        Those on which the shadow alone was right, and the other alone.
    neither
        Those on which they differ, and neither was right.
    alone_reviewed, alone_wrong
        Reviewed pictures that the shadow alone was sure of, and on how many it was wrong.
    """

    version: str
    beside: str
    at: float = 0.0
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    unsure: int = 0
    unsure_beside: int = 0
    alone: int = 0
    apart: int = 0
    reviewed: int = 0
    right: int = 0
    right_beside: int = 0
    gained: int = 0
    lost: int = 0
    neither: int = 0
    alone_reviewed: int = 0
    alone_wrong: int = 0

    @property
    def pairs(self) -> int:
        """Pictures that both answered."""
        return sum(sum(row.values()) for row in self.confusion.values())

    @property
    def classes(self) -> list[str]:
        """Every class that either of them said."""
        return sorted({*self.confusion, *(label for row in self.confusion.values() for label in row)})

    @property
    def more(self) -> int:
        """Pictures that the shadow would leave to people, and the other did not."""
        return self.unsure - self.unsure_beside + self.alone

    def count(self, label: str, sure: bool, label_beside: str, sure_beside: bool) -> None:
        """Count a pair."""
        row = self.confusion.setdefault(label_beside, {})
        row[label] = row.get(label, 0) + 1
        self.unsure += not sure
        self.unsure_beside += not sure_beside
        self.alone += sure and not sure_beside
        self.apart += sure and sure_beside and label != label_beside

    def count_review(self, pair: Pair, said: str, sampled: bool) -> None:
        """Count what a person said of a pair."""
        right, right_beside = said == pair.label, said == pair.label_beside
        if pair.alone:
            self.alone_reviewed += 1
            self.alone_wrong += not right  # also a picture of no class, which it would have routed
        elif sampled and said != NONE:
            self.reviewed += 1
            self.right += right
            self.right_beside += right_beside
            self.gained += right and not right_beside
            self.lost += right_beside and not right
            self.neither += pair.label != pair.label_beside and not right and not right_beside

    def as_dict(self, minimum: int, target_error: float) -> dict[str, Any]:
        """Return it as the analysis has it, with a verdict; fewer pairs than ``minimum`` get none."""
        pairs = self.pairs
        same = share(sum(row.get(label, 0) for label, row in self.confusion.items()), pairs, 0.95)
        word, reason = self._verdict(minimum, target_error)
        return {
            "model_version": self.version,
            "beside": self.beside,
            "pairs": pairs,
            "agreement": same["share"],
            "interval": same["interval"],
            "abstain_rate": round(self.unsure / pairs, 4) if pairs else None,
            "abstain_rate_beside": round(self.unsure_beside / pairs, 4) if pairs else None,
            "reviewed": self.reviewed,
            "right": self.right,
            "right_beside": self.right_beside,
            "alone_reviewed": self.alone_reviewed,
            "alone_wrong": self.alone_wrong,
            "verdict": word,
            "reason": reason,
        }

    def _verdict(self, minimum: int, target_error: float) -> tuple[str, str]:
        """Return better, worse, as good or too few, and a sentence that says by which figures."""
        if self.pairs < minimum:
            return "too few", f"{self.pairs} pictures were answered by both models, and it takes {minimum}."
        for word, tests in (
            ("worse", self._worse(target_error)),
            ("better", self._better(target_error)),
        ):
            certain = holm([p_value for p_value, _, _ in tests], ALPHA)
            found = [why for (_, matters, why), sure in zip(tests, certain, strict=True) if sure and matters]
            if found:
                return word, " ".join(found)
        sure = self.pairs - self.unsure_beside - self.more
        known = self.gained + self.lost + self.neither
        if self.apart and self.apart >= _MATTERS * sure and known < MINIMUM:
            return "too few", (
                f"Of {sure} pictures that both were sure of they gave {self.apart} different classes, and people "
                f"reviewed {known} of these: who is right takes {MINIMUM}."
            )
        return "as good", f"Nothing tells them apart. {self._routes()} {self._left()}"

    def _worse(self, target_error: float) -> list[tuple[float, bool, str]]:
        """Return each test's p-value, whether its effect matters, and the sentence with its figures."""
        return [
            (_chance(self.lost, self.gained), True, self._routes()),
            (
                _chance(self.more, self.alone),
                self.unsure - self.unsure_beside >= _MATTERS * self.pairs,
                self._left(),
            ),
            (self._too_sure(target_error), True, self._alone()),
        ]

    def _better(self, target_error: float) -> list[tuple[float, bool, str]]:
        """As `_worse`; to leave less to people is only better where reviews say that its routes can be trusted."""
        trusted = (
            self.alone_reviewed >= MINIMUM
            and self.alone_wrong <= self._tolerated(target_error) * self.alone_reviewed
        )
        matters = self.unsure_beside - self.unsure >= _MATTERS * self.pairs
        return [
            (_chance(self.gained, self.lost), True, self._routes()),
            (_chance(self.alone, self.more), matters and trusted, f"{self._left()} {self._alone()}"),
        ]

    def _tolerated(self, target_error: float) -> float:
        """Return the share of wrong answers among `alone` that would use up what all its routes may have."""
        return min(1.0, target_error * (self.pairs - self.unsure) / self.alone) if self.alone else 1.0

    def _too_sure(self, target_error: float) -> float:
        if not self.alone_reviewed:
            return 1.0
        tolerated = self._tolerated(target_error)
        return float(
            stats.binomtest(self.alone_wrong, self.alone_reviewed, tolerated, alternative="greater").pvalue
        )

    def _routes(self) -> str:
        if not self.reviewed:
            return "No picture that both were sure of has been reviewed."
        return (
            f"Of {self.reviewed} reviewed pictures that both were sure of, model {self.version} was right on "
            f"{self.right} and model {self.beside} on {self.right_beside}."
        )

    def _left(self) -> str:
        return (
            f"Model {self.version} leaves {self.unsure} of {self.pairs} pictures to people, and model "
            f"{self.beside} {self.unsure_beside}."
        )

    def _alone(self) -> str:
        return (
            f"Of {self.alone_reviewed} reviewed pictures that model {self.version} alone was sure of, it was "
            f"wrong on {self.alone_wrong}."
        )


def _chance(more: int, fewer: int) -> float:
    """Return how often a fair coin splits what changed at least so unevenly (McNemar's exact test, one-sided)."""
    if not more + fewer:
        return 1.0
    return float(stats.binomtest(more, more + fewer, alternative="greater").pvalue)
