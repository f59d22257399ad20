"""Whether a new model should give way to the one before it, because of what its first live traffic says of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from training.analysis.drift import NEEDED
from training.analysis.records import seconds
from training.analysis.trigger import JUDGED, LOOK_BACK

TRIAL = {"predictions": 3, "reviews": 2}
"""
Judged windows of either source in which a new model is on trial; what goes wrong later is rather the traffic's.

Each source has a trial of its own: a window of reviews takes the pictures of many windows of predictions, so that a
trial over after three of the latter would hear no person.
"""
_ANSWERS, _PICTURES = ("classes", "confidence"), ("embedding", "input")
Entry = Mapping[str, Any]


def rollback(history: Sequence[Entry], serving: str, before: str, promoted: float) -> dict[str, Any]:
    """
    Return whether the model before should serve again, and the reason as a sentence.

    It is a function of the history alone, so that what an analysis wanted in vain, the next one wants again.

    Parameters
    ----------
    history
        Verdicts, oldest first.
    serving, before
        The model that serves, and the champion before it; empty where there was none.
    promoted
        When it became the champion, seconds since 1970; windows that began before are of a canary or an earlier time.
    """
    if not before:
        return _no("No champion is known that served before it.")
    on_trial = []
    for source, limit in TRIAL.items():
        own = [
            each
            for each in history
            if _judged(each, source, serving) and seconds(each["start"]) >= int(promoted)
        ]
        on_trial += [source] if len(own) < limit else []
        # As far as the trigger looks back: what that model was replaced for may be missing from its very last window.
        theirs = [each for each in history if _judged(each, source, before)][-LOOK_BACK:]
        raised = {kind for each in theirs for kind in each["kinds"]}
        for window in own[:limit]:
            if reason := _against(window, raised):
                return {"wanted": True, "reason": f"{reason}; {_beside(len(theirs), before)}."}
    if on_trial:
        return _no(f"Nothing speaks against model {serving}, on trial by its {' and '.join(on_trial)}.")
    return _no(f"Model {serving} has passed its trial.")


def _no(reason: str) -> dict[str, Any]:
    return {"wanted": False, "reason": reason}


def _judged(each: Entry, source: str, version: str) -> bool:
    own = each["source"] == source and each["model_version"] == version
    return own and each["verdict"] in JUDGED[source]


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
