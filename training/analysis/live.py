"""Whether a new model should give way to the one before it, because of what its first live traffic says of it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from training.analysis.drift import NEEDED
from training.analysis.records import restored, seconds
from training.analysis.trigger import JUDGED, LOOK_BACK

TRIAL = {"predictions": 3, "reviews": 2}
"""
Judged windows of either source in which a new model is on trial; what goes wrong later is rather the traffic's.

Each source has a trial of its own: a window of reviews takes the pictures of many windows of predictions, so that a
trial over after three of the latter would hear no person.
"""
MOST_MODELS = 200
"""Models whose trial is remembered to be over, the newest."""
_ANSWERS, _PICTURES = ("classes", "confidence"), ("embedding", "input")
_OF_ALL = ("model_version", "start", "end", "verdict", "kinds", "tests")
_OF_SOURCE = {
    "predictions": ("images", "abstain_rate", "p50_ms", "p99_ms"),
    "reviews": ("reviews", "wrong"),
}
Entry = Mapping[str, Any]


@dataclass
class Trial:
    """
    A new champion's first judged windows, and its predecessor's last ones.

    Parameters
    ----------
    version, before
        The model on trial, and the champion before it.
    promoted
        When it became the champion, seconds since 1970; windows that began before are of a canary or an earlier time.
    own, theirs
        By source, verdicts of either, oldest first.
    """

    version: str
    before: str
    promoted: float
    own: dict[str, list[Entry]] = field(default_factory=dict)
    theirs: dict[str, list[Entry]] = field(default_factory=dict)

    def hear(self, verdicts: Sequence[Entry]) -> None:
        """Take new verdicts, oldest first: of its own the first ones count, of its predecessor's the last."""
        for each in verdicts:
            source = each["source"]
            if not _judged(each):
                continue
            own, theirs = self.own.setdefault(source, []), self.theirs.setdefault(source, [])
            if each["model_version"] == self.before:
                theirs.append(each)
                # As far as the trigger looks back: what it was replaced for may be missing from its very last window.
                del theirs[:-LOOK_BACK]
            elif (
                each["model_version"] == self.version
                and seconds(each["start"]) >= int(self.promoted)
                and len(own) < TRIAL[source]
            ):
                own.append(each)

    def against(self, source: str) -> str:
        """Return what a source says against the model, as a sentence; nothing where it says nothing."""
        theirs = self.theirs.get(source, [])
        raised = {kind for each in theirs for kind in each["kinds"]}
        for window in self.own.get(source, []):
            if reason := _against(window, raised):
                return f"{reason}; {_beside(len(theirs), self.before)}."
        return ""

    def over(self, source: str) -> bool:
        """Say whether a source has had its windows."""
        return len(self.own.get(source, [])) >= TRIAL[source]


@dataclass
class Trials:
    """
    The trial that goes on, and those that are over and never come again.

    They are recorded and not inferred from the history, which is cut: the oldest windows that are remembered of a
    model are not its first ones.

    Parameters
    ----------
    running
        That of the champion; none where it has had its own.
    over
        By model, the sources whose trial is over.
    """

    running: Trial | None = None
    over: dict[str, list[str]] = field(default_factory=dict)

    def begin(
        self, version: str, before: str, promoted: float, known: float, history: Sequence[Entry]
    ) -> None:
        """
        Begin the trial of a champion that has had none, and end that of another.

        Parameters
        ----------
        version, before, promoted
            See `Trial`; ``before`` is empty where there was none.
        known
            Since when windows can be known, seconds since 1970: those of a model that was promoted before are gone.
        history
            Verdicts that were heard already.
        """
        if not version or (self.running and self.running.version == version):
            return
        if self.running:
            self._end(self.running.version)
        if not before or before == version or promoted < known:
            self._end(version)
        if len(self.over.get(version, [])) < len(TRIAL):
            self.running = Trial(version, before, promoted)
            self.running.hear(history)

    def hear(self, verdicts: Sequence[Entry]) -> None:
        """Take new verdicts, oldest first."""
        if self.running:
            self.running.hear(verdicts)

    def decide(self, version: str, before: str) -> dict[str, Any]:
        """
        Return whether the model before the champion should serve again, and the reason as a sentence.

        What an analysis wanted in vain, the next one wants again.
        """
        if not version or not before:
            return _no("No champion is known that served before it.")
        trial = self.running
        if not trial:
            return _no(f"Model {version} has passed its trial.")
        passed = self.over.setdefault(version, [])
        for source in TRIAL:
            if source in passed:
                continue
            if reason := trial.against(source):
                return {"wanted": True, "reason": reason}
            if trial.over(source):
                passed.append(source)
        if waits := [source for source in TRIAL if source not in passed]:
            return _no(f"Nothing speaks against model {version}, on trial by its {' and '.join(waits)}.")
        self._end(version)
        return _no(f"Model {version} has passed its trial.")

    def _end(self, version: str) -> None:
        self.running = None
        self.over.pop(version, None)
        self.over[version] = list(TRIAL)
        self.over = dict(list(self.over.items())[-MOST_MODELS:])

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"running": asdict(self.running) if self.running else None, "over": self.over}


def read_trials(raw: Mapping[str, Any]) -> Trials:
    """Read what a state has of them."""
    running = None
    if raw["running"]:
        heard = {
            side: {
                source: [read_verdict(each) for each in verdicts]
                for source, verdicts in raw["running"][side].items()
            }
            for side in ("own", "theirs")
        }
        running = restored(Trial, {**raw["running"], **heard})
    return Trials(running, {version: list(sources) for version, sources in raw["over"].items()})


def read_verdict(raw: Mapping[str, Any]) -> dict[str, Any]:
    """
    Read a verdict of a state.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        When it lacks what is looked back on.
    """
    if missing := {*_OF_ALL, *_OF_SOURCE[raw["source"]]} - raw.keys():
        raise ValueError(f"a verdict has no {', '.join(sorted(missing))}")
    seconds(raw["start"])
    return dict(raw)


def inferred_trials(history: Sequence[Entry], most: int) -> Trials:
    """
    Return what a history says that was written before trials were recorded: who had more windows than a trial has.

    One of ``most`` verdicts has been cut, and the model that fills it to its beginning was promoted long ago.
    """
    counts = Counter((each["model_version"], each["source"]) for each in history if _judged(each))
    over = {
        version: [source for source, limit in TRIAL.items() if counts[version, source] > limit]
        for version in dict.fromkeys(each["model_version"] for each in history)
    }
    if len(history) >= most:
        over[history[0]["model_version"]] = list(TRIAL)
    return Trials(over={version: sources for version, sources in over.items() if sources})


def _no(reason: str) -> dict[str, Any]:
    return {"wanted": False, "reason": reason}


def _judged(each: Entry) -> bool:
    return each["verdict"] in JUDGED[each["source"]]


def _beside(windows: int, before: str) -> str:
    if not windows:
        return f"of model {before} no window was judged"
    return f"none of the windows judged last of model {before} ({windows}) says so"


def _against(window: Entry, raised: Collection[str]) -> str:
    """Say how a window speaks against the model and not against its traffic; nothing where it does not."""
    fresh = [kind for kind in window["kinds"] if kind not in raised]
    model = f"the new model {window['model_version']}"
    if "quality" in fresh:
        return (
            f"The window of reviews that ended {window['end']} says poor quality of {model}: "
            f"{window['wrong']} of {window['reviews']} sampled sure answers were wrong"
        )
    kinds = [kind for kind in _ANSWERS if kind in fresh]
    if not kinds or any(kind in window["kinds"] for kind in _PICTURES):
        return ""
    found = " and ".join(f"{kind} by {window['tests'][kind]:.2f}" for kind in kinds)
    return (
        f"The window of {window['images']} pictures that ended {window['end']} says that the answers of {model} "
        f"drifted ({found}, where {NEEDED[kinds[0]]} matters) and the pictures did not"
    )
