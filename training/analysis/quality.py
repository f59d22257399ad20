"""How often the model is right, by the pictures that people looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from training.analysis.records import Review, iso

ALPHA = 0.005
"""False alarms per window of reviews."""
WINDOW = 50
"""Reviews of sampled sure answers that make a window."""
MINIMUM, HOURS = 10, 168.0
"""What a window holds that closes by age, and that age."""
_TIMES = 2.0
"""How many times the tolerated share of wrong answers matters."""
Interval = tuple[float, float]


@dataclass
class Tally:
    """Right and wrong answers of one model: sure ones that were drawn at random, and unsure ones; and decisions."""

    sampled_right: int = 0
    sampled_wrong: int = 0
    unsure_right: int = 0
    unsure_wrong: int = 0
    sure: int = 0
    unsure: int = 0
    rejected: int = 0
    at: float = 0.0

    def count(self, review: Review) -> None:
        """Count a review."""
        if review.sure and review.sampled:
            self.sampled_right += review.correct
            self.sampled_wrong += not review.correct
        elif not review.sure:
            self.unsure_right += review.correct
            self.unsure_wrong += not review.correct

    def as_dict(self) -> dict[str, Any]:
        """
        Return what is known of the model's quality since it serves.

        `accuracy` is over all pictures: the strata's accuracies by how many decisions each had. Its interval is that
        of both at once (each at 97.5 %), so it promises at least 95 %.
        """
        routed = share(self.sampled_right, self.sampled_right + self.sampled_wrong, 0.95)
        weight = self.sure / (self.sure + self.unsure) if self.sure + self.unsure else None
        strata = [
            share(self.sampled_right, self.sampled_right + self.sampled_wrong, 0.975),
            share(self.unsure_right, self.unsure_right + self.unsure_wrong, 0.975),
        ]
        overall = None
        if weight is not None:
            weighted = [(w, s) for w, s in zip((weight, 1.0 - weight), strata, strict=True) if w > 0.0]
            if all(s["share"] is not None for _, s in weighted):
                overall = {
                    "share": sum(w * s["share"] for w, s in weighted),
                    "interval95": [sum(w * s["interval"][end] for w, s in weighted) for end in (0, 1)],
                }
        return {
            "routed_accuracy": routed["share"],
            "routed_interval95": routed["interval"],
            "sampled": self.sampled_right + self.sampled_wrong,
            "accuracy": overall["share"] if overall else None,
            "interval95": overall["interval95"] if overall else None,
            "reviewed_unsure": self.unsure_right + self.unsure_wrong,
            "decisions": {"sure": self.sure, "unsure": self.unsure, "rejected": self.rejected},
        }


def judge_reviews(version: str, reviews: Sequence[Review], target_error: float) -> dict[str, Any]:
    """
    Judge a window of sure answers that were drawn at random for people.

    Poor is what an exact binomial test cannot put down to chance under the tolerated share of wrong answers, and what
    is wrong at least twice as often as tolerated.
    """
    wrong = sum(not each.correct for each in reviews)
    p_value = float(stats.binomtest(wrong, len(reviews), target_error, alternative="greater").pvalue)
    routed = share(len(reviews) - wrong, len(reviews), 0.95)
    poor = p_value <= ALPHA and wrong >= _TIMES * target_error * len(reviews)
    small = len(reviews) < MINIMUM
    return {
        "source": "reviews",
        "model_version": version,
        "start": iso(min(each.at for each in reviews)),
        "end": iso(max(each.at for each in reviews)),
        "verdict": "too small" if small else "poor" if poor else "clean",
        "kinds": ["quality"] if poor and not small else [],
        "reviews": len(reviews),
        "wrong": wrong,
        "routed_accuracy": routed["share"],
        "interval95": routed["interval"],
        "p": float(f"{p_value:.3g}"),
    }


def full_windows(waiting: list[Review], now: float) -> list[list[Review]]:
    """Take from ``waiting``, oldest first, what makes windows of reviews; ``now`` in seconds since 1970."""
    waiting.sort(key=lambda each: (each.at, each.decision_id))
    windows = []
    while len(waiting) >= WINDOW:
        windows.append(waiting[:WINDOW])
        del waiting[:WINDOW]
    if waiting and now - waiting[0].at >= HOURS * 3600:
        windows.append(waiting[:])
        waiting.clear()
    return windows


def share(right: int, count: int, level: float) -> dict[str, Any]:
    """Return a share with its exact interval (Clopper and Pearson 1934); of nothing, that it is unknown."""
    if not count:
        return {"share": None, "interval": [0.0, 1.0]}
    interval = stats.binomtest(right, count).proportion_ci(level, method="exact")
    return {"share": right / count, "interval": [float(interval.low), float(interval.high)]}
