"""
Joins a shadow's answers with the log's decisions, each pair once, whichever of the two comes first.

What comes first waits for the other. A decision is taken away by the answer it was paired with, so that a copy of that
answer finds none; copies of decisions and of reviews are known before they come here. A person's answer may come
before the pair or after it, and waits or is waited for likewise.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeVar

from training.analysis.captured import Answer
from training.analysis.comparison import Comparison, Pair
from training.analysis.records import Prediction, Review, restored, short

MOST = 20
"""Pairs of models that are remembered, the newest."""
UNHEARD_HOURS = 2.0
"""How long a decision waits for an answer while no shadow has answered for long."""
REVIEW_HOURS = 336.0
"""How long a pair waits for a person: the queue gives up a message after 14 days."""
_HOUR = 3600


class Said(NamedTuple):
    """One model's answer that waits for the other's; `review` if people may see it, `hour` when it was read."""

    hour: int
    version: str
    label: str
    sure: bool
    review: bool = False


class Person(NamedTuple):
    """A person's answer that waits for its pair."""

    hour: int
    label: str
    sampled: bool


_Waiting = TypeVar("_Waiting", Said, Pair, Person)


@dataclass
class Shadow:
    """
    What is known of the models that answered in the shadow.

    Parameters
    ----------
    files
        Names of captured files that were read and would still be listed.
    answers, decisions
        What waits for the other, by a short hash of the decision's id.
    unreviewed, reviews
        Pairs that wait for a person, and persons' answers that wait for a pair.
    heard
        When each model's newest answer was, seconds since 1970.
    comparisons
        By the shadow's model and the one that answered.
    """

    files: set[str] = field(default_factory=set)
    answers: dict[str, Said] = field(default_factory=dict)
    decisions: dict[str, Said] = field(default_factory=dict)
    unreviewed: dict[str, Pair] = field(default_factory=dict)
    reviews: dict[str, Person] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    comparisons: dict[tuple[str, str], Comparison] = field(default_factory=dict)

    def answer(self, answer: Answer, now: float) -> None:
        """Take an answer of the shadow."""
        version = answer.model_version
        self.heard[version] = max(self.heard.get(version, 0.0), answer.at)
        name = short(answer.decision_id)
        said = Said(int(now // _HOUR), version, answer.label, answer.confident)
        if decision := self.decisions.pop(name, None):
            self._pair(name, said, decision, now)
        else:
            self.answers.setdefault(name, said)

    def decision(self, prediction: Prediction, now: float) -> None:
        """Take a decision of the log; what was no picture has no class to compare."""
        if prediction.rejected:
            return
        name = short(prediction.decision_id)
        decision = Said(
            int(now // _HOUR),
            prediction.model_version,
            prediction.label,
            prediction.confident,
            review=prediction.sampled or not prediction.confident,
        )
        if said := self.answers.pop(name, None):
            self._pair(name, said, decision, now)
        else:
            self.decisions[name] = decision

    def review(self, review: Review, now: float) -> None:
        """Take a person's answer."""
        name = short(review.decision_id)
        person = Person(int(now // _HOUR), review.label, review.sampled)
        if pair := self.unreviewed.pop(name, None):
            self._reviewed(pair, person)
        else:
            self.reviews[name] = person

    def _pair(self, name: str, said: Said, decision: Said, now: float) -> None:
        person = self.reviews.pop(name, None)
        if said.version == decision.version:  # it has become the one that answers
            return
        key = (said.version, decision.version)
        found = self.comparisons.setdefault(key, Comparison(*key))
        found.at = now
        found.count(said.label, said.sure, decision.label, decision.sure)
        if not (said.sure and decision.review):  # no review of it would be counted
            return
        pair = Pair(int(now // _HOUR), *key, said.label, decision.label, alone=not decision.sure)
        if person:
            self._reviewed(pair, person)
        else:
            self.unreviewed[name] = pair

    def _reviewed(self, pair: Pair, person: Person) -> None:
        if found := self.comparisons.get((pair.version, pair.beside)):
            found.count_review(pair, person.label, person.sampled)

    def forget(self, now: float, late_hours: float) -> int:
        """Drop what has waited for too long; return how many answers never found their decision."""
        before = len(self.answers)
        self.answers = _since(self.answers, now, late_hours)
        # Most deployments have no shadow most of the time; what one says first comes minutes after the log.
        speaks = any(at >= now - late_hours * _HOUR for at in self.heard.values())
        waiting = late_hours if speaks else min(late_hours, UNHEARD_HOURS)
        self.decisions = _since(self.decisions, now, waiting)
        self.reviews = _since(self.reviews, now, waiting)
        self.unreviewed = _since(self.unreviewed, now, REVIEW_HOURS)
        newest = sorted(self.comparisons, key=lambda key: (self.comparisons[key].at, key))[-MOST:]
        self.comparisons = {key: self.comparisons[key] for key in sorted(newest)}
        heard = sorted(self.heard, key=lambda version: (self.heard[version], version))[-MOST:]
        self.heard = {version: self.heard[version] for version in sorted(heard)}
        return before - len(self.answers)

    def newest(self, serving: str, now: float, late_hours: float) -> Comparison | None:
        """Return the newest shadow model beside the one that serves; nothing if it is silent or serves itself."""
        if not self.heard:
            return None
        version = max(self.heard, key=lambda each: (self.heard[each], each))
        if version == serving or self.heard[version] < now - late_hours * _HOUR:
            return None
        return self.comparisons.get((version, serving)) or Comparison(version, serving)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "files": sorted(self.files),
            "answers": dict(sorted(self.answers.items())),
            "decisions": dict(sorted(self.decisions.items())),
            "unreviewed": dict(sorted(self.unreviewed.items())),
            "reviews": dict(sorted(self.reviews.items())),
            "heard": dict(sorted(self.heard.items())),
            "comparisons": [asdict(found) for _, found in sorted(self.comparisons.items())],
        }


def _since(waiting: dict[str, _Waiting], now: float, hours: float) -> dict[str, _Waiting]:
    # By when it was read: what tells a wrong time would else wait for ever.
    oldest = (now - hours * _HOUR) // _HOUR
    return {name: each for name, each in waiting.items() if each.hour >= oldest}


def read_shadow(raw: Mapping[str, Any]) -> Shadow:
    """Read what a state has of it; one that was written before there were shadows has nothing."""
    if not raw:
        return Shadow()
    found = [restored(Comparison, each) for each in raw["comparisons"]]
    return Shadow(
        files=set(raw["files"]),
        answers={name: Said(*each) for name, each in raw["answers"].items()},
        decisions={name: Said(*each) for name, each in raw["decisions"].items()},
        unreviewed={name: Pair(*each) for name, each in raw["unreviewed"].items()},
        reviews={name: Person(*each) for name, each in raw["reviews"].items()},
        heard=dict(raw["heard"]),
        comparisons={(each.version, each.beside): each for each in found},
    )
