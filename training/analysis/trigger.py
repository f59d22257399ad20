"""Whether the model should be trained again, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.analysis.records import seconds

LOOK_BACK, AGREEING = 3, 2
"""Of so many judged windows, so many must say it: one bad hour is no reason to train."""
JUDGED = {"predictions": ("clean", "drift"), "reviews": ("clean", "poor")}
"""Verdicts that say something, of each source."""
WORSE = 1.5
"""A kind of drift that a training has answered counts again where its effect is so many times what it was then."""
_NONE = {"wanted": False, "reason": "Nothing asks for a new model.", "trigger": ""}


def retrain(
    history: Sequence[Mapping[str, Any]], serving: str, reviewed: int, enough: int, retrained: float
) -> dict[str, Any]:
    """
    Return whether a new model is wanted, the reason as a sentence, and what triggers it.

    Parameters
    ----------
    history
        Verdicts, oldest first.
    serving
        The model whose windows count; those of an earlier one say nothing of it.
    reviewed, enough
        Pictures reviewed since the last retraining, and how many of them are worth a new one.
    retrained
        When that was, seconds since 1970: a window that began before it has had its answer. So has its drift: the
        model has learnt what people had said of such pictures, and its baseline is of others still. What is new, or
        by half again as much, asks again.
    """
    own = [
        each
        for each in history
        if each["model_version"] == serving and seconds(each["start"]) >= int(retrained)
    ]
    for source, trigger, verdict in (("reviews", "quality", "poor"), ("predictions", "drift", "drift")):
        judged = [each for each in own if each["source"] == source and each["verdict"] in JUDGED[source]]
        last = judged[-LOOK_BACK:]
        answered = _answered(history, retrained) if trigger == "drift" else {}
        bad = [each for each in last if each["verdict"] == verdict and _fresh(each, answered)]
        if len(bad) >= AGREEING:
            kinds = sorted({kind for each in bad for kind in _fresh(each, answered)})
            reason = (
                f"{len(bad)} of the last {len(last)} judged windows of {source} of model {serving} say "
                f"{'poor quality' if trigger == 'quality' else 'drift of ' + ', '.join(kinds)}."
            )
            return {"wanted": True, "reason": reason, "trigger": trigger}
    if reviewed >= enough:
        reason = f"{reviewed} pictures were reviewed since the last retraining, and {enough} are enough."
        return {"wanted": True, "reason": reason, "trigger": "reviews"}
    return dict(_NONE)


def _answered(history: Sequence[Mapping[str, Any]], retrained: float) -> dict[str, float]:
    """Return the kinds of drift, each with its largest effect, that were seen last when the last training began."""
    before = [
        each
        for each in history
        if each["source"] == "predictions"
        and each["verdict"] in JUDGED["predictions"]
        and seconds(each["start"]) < int(retrained)
    ]
    seen = [(kind, each["tests"][kind]) for each in before[-LOOK_BACK:] for kind in each["kinds"]]
    return {kind: max(score for other, score in seen if other == kind) for kind, _ in seen}


def _fresh(window: Mapping[str, Any], answered: Mapping[str, float]) -> list[str]:
    """Return the kinds of a window that no training has answered."""
    return [
        kind
        for kind in window["kinds"]
        if kind not in answered or window["tests"][kind] > WORSE * answered[kind]
    ]
