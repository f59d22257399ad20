"""Whether the model should be trained again, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.analysis.records import seconds

LOOK_BACK, AGREEING = 3, 2
"""Of so many judged windows, so many must say it: one bad hour is no reason to train."""
JUDGED = {"predictions": ("clean", "drift"), "reviews": ("clean", "poor")}
"""Verdicts that say something, of each source."""
FEWER = 10
"""Drift lowers to one in so many the reviewed pictures that are worth a training; without any none is learnt."""
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
        When that was, seconds since 1970: a window that began before it has had its answer.
    """
    own = [
        each
        for each in history
        if each["model_version"] == serving and seconds(each["start"]) >= int(retrained)
    ]
    needed = max(1, enough // FEWER)
    for source, trigger, verdict in (("reviews", "quality", "poor"), ("predictions", "drift", "drift")):
        judged = [each for each in own if each["source"] == source and each["verdict"] in JUDGED[source]]
        last = judged[-LOOK_BACK:]
        bad = [each for each in last if each["verdict"] == verdict]
        if len(bad) < AGREEING:
            continue
        kinds = sorted({kind for each in bad for kind in each["kinds"]})
        reason = (
            f"{len(bad)} of the last {len(last)} judged windows of {source} of model {serving} say "
            f"{'poor quality' if trigger == 'quality' else 'drift of ' + ', '.join(kinds)}"
        )
        if trigger == "quality" or reviewed >= needed:
            return {"wanted": True, "reason": f"{reason}.", "trigger": trigger}
        return {
            "wanted": False,
            "reason": f"{reason}, and {reviewed} pictures were reviewed since the last training: {needed} are needed.",
            "trigger": "",
        }
    if reviewed >= enough:
        reason = f"{reviewed} pictures were reviewed since the last retraining, and {enough} are enough."
        return {"wanted": True, "reason": reason, "trigger": "reviews"}
    return dict(_NONE)
