"""
What one analysis leaves for the next, so that every record counts once.

The job is a function of the previous state and the files: killed anywhere and run again from the same state, it
gives the same results. Whoever starts it commits a state by giving it to the next job.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from training.analysis.intake import Intake
from training.analysis.live import Trials, inferred_trials, read_trials, read_verdict
from training.analysis.quality import Tally
from training.analysis.records import Prediction, Review, iso, restored, short
from training.analysis.shadow import Shadow, read_shadow
from training.analysis.storage import read_uri
from training.analysis.windows import Window
from training.errors import StateError

FORMAT = 1
MOST_HISTORY, MOST_REVIEWED, MOST_MODELS = 200, 10_000, 20
_HOUR = 3600
_REMEDY = (
    "copy the state.json of an earlier run there, or begin anew without one; "
    "AnalysisFailed in docs/runbook.md has either command."
)


@dataclass
class State:
    """
    What was processed, and what waits.

    Parameters
    ----------
    analyzed_at
        When the analysis was that wrote it, seconds since 1970; 0 before the first.
    files
        Names of the log's files that were read and would still be listed.
    seen
        By the hour in which they were read, short hashes of decisions and reviews: a log that delivers at least once
        may have them again, in another file.
    opened, serving, served_at
        See `windows.Gathering`.
    intake
        See `intake.Intake`.
    waiting
        By model, reviews that do not fill a window yet.
    tallies
        By model, right and wrong answers and decisions.
    history
        Verdicts, oldest first, the last of either source: what the trigger and the report's plots look back on.
    trials
        See `live.Trials`.
    reviewed
        When pictures of a class were reviewed since the last training, seconds since 1970.
    shadow
        See `shadow.Shadow`.
    """

    analyzed_at: float = 0.0
    files: set[str] = field(default_factory=set)
    seen: dict[int, set[str]] = field(default_factory=dict)
    opened: dict[str, Window] = field(default_factory=dict)
    serving: str = ""
    served_at: float = 0.0
    intake: Intake = field(default_factory=Intake)
    waiting: dict[str, list[Review]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    trials: Trials = field(default_factory=Trials)
    reviewed: list[float] = field(default_factory=list)
    shadow: Shadow = field(default_factory=Shadow)

    def is_new(self, identity: str, now: float) -> bool:
        """Say whether something is met for the first time, and remember it."""
        name = short(identity)
        if any(name in hour for hour in self.seen.values()):
            return False
        self.seen.setdefault(int(now // _HOUR), set()).add(name)
        return True

    def tally(self, version: str) -> Tally:
        """Return a model's tally."""
        return self.tallies.setdefault(version, Tally())

    def forget(self, now: float, late_hours: float) -> None:
        """Drop what can no longer matter, so that the state's size follows the traffic and not its own age."""
        # Twice the horizon: a file's last copy may come when the first one has just left it.
        oldest = int((now - 2 * late_hours * _HOUR) // _HOUR)
        self.seen = {hour: found for hour, found in self.seen.items() if hour >= oldest}
        # Of each source by itself: reviews are few beside the traffic, whose windows would push theirs out.
        self.history = _newest_of_each_source(self.history)
        self.reviewed = sorted(self.reviewed)[-MOST_REVIEWED:]
        newest = sorted(self.tallies, key=lambda version: (self.tallies[version].at, version))[-MOST_MODELS:]
        self.tallies = {version: self.tallies[version] for version in newest}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "format": FORMAT,
            "analyzed_at": self.analyzed_at,
            "analyzed": iso(self.analyzed_at),
            "files": sorted(self.files),
            "seen": {str(hour): sorted(found) for hour, found in sorted(self.seen.items())},
            "opened": [asdict(self.opened[version]) for version in sorted(self.opened)],
            "serving": self.serving,
            "served_at": self.served_at,
            "intake": asdict(self.intake),
            "waiting": {
                version: [asdict(each) for each in reviews]
                for version, reviews in sorted(self.waiting.items())
                if reviews
            },
            "tallies": {version: asdict(tally) for version, tally in sorted(self.tallies.items())},
            "history": self.history,
            "trials": self.trials.as_dict(),
            "reviewed": self.reviewed,
            "shadow": self.shadow.as_dict(),
        }


def _newest_of_each_source(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    counts, kept = Counter[str](), []
    for each in reversed(history):
        counts[each["source"]] += 1
        if counts[each["source"]] <= MOST_HISTORY:
            kept.append(each)
    return kept[::-1]


def read_state(uri: str, now: float) -> State:
    """
    Read the previous state; an empty name is that of no state, with which everything begins.

    Raises
    ------
    StateError
        When it is missing, of another shape or of a time after ``now``, in seconds since 1970: to begin anew without
        a word would count everything twice.
    """
    if not uri:
        return State()
    content = read_uri(uri)
    if content is None:
        raise StateError(f"The previous state {uri} does not exist: {_REMEDY}")
    try:
        state = _read(json.loads(content))
        if not 0 <= state.analyzed_at <= now:
            raise ValueError(f"analyzed_at {state.analyzed_at} is after the analysis itself")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = repr(error)[:200]
        raise StateError(f"The previous state {uri} cannot be used ({why}): {_REMEDY}") from error
    return state


def _read(raw: Mapping[str, Any]) -> State:
    if raw["format"] != FORMAT:
        raise ValueError(f"format {raw['format']}, not {FORMAT}")
    history = [read_verdict(each) for each in raw["history"]]
    windows = [
        Window(each["version"], [_prediction(record) for record in each["records"]])
        for each in raw["opened"]
        if each["records"]  # an earlier version's may have had nothing but what was no picture
    ]
    return State(
        analyzed_at=float(raw["analyzed_at"]),
        files=set(raw["files"]),
        seen={int(hour): set(found) for hour, found in raw["seen"].items()},
        opened={window.version: window for window in windows},
        serving=str(raw["serving"]),
        # An earlier version took the word of a clock that was ahead.
        served_at=min(float(raw.get("served_at", 0)), float(raw["analyzed_at"])),
        intake=restored(Intake, raw.get("intake", {})),
        waiting={
            version: [restored(Review, each) for each in reviews]
            for version, reviews in raw["waiting"].items()
        },
        tallies={version: restored(Tally, tally) for version, tally in raw["tallies"].items()},
        history=history,
        trials=read_trials(raw["trials"]) if "trials" in raw else inferred_trials(history, MOST_HISTORY),
        reviewed=[float(at) for at in raw["reviewed"]],
        # Of the same format without it, as without an intake: a state that was written before there were shadows.
        shadow=read_shadow(raw.get("shadow", {})),
    )


def _prediction(raw: Mapping[str, Any]) -> Prediction:
    return restored(Prediction, {**raw, "embedding": tuple(raw["embedding"])})
