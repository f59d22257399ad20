"""The verdicts as CloudWatch's PutMetricData takes them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

MOST = 150
"""Entries of one analysis, of its newest windows; PutMetricData takes 1,000 of them at once."""
ALARMED = ("InputDrift", "EmbeddingDrift", "ClassMixDrift", "ConfidenceDrift", "PoorQuality")
"""1 where it was found, else 0; of no model the worst of all models that serve alone, for alarms look at it."""
KINDS = {
    "input": "Input",
    "embedding": "Embedding",
    "classes": "ClassMix",
    "confidence": "Confidence",
}


def metrics(
    windows: Sequence[Mapping[str, Any]],
    classifier: str,
    endpoint: str,
    reviewed: int,
    rejected: Sequence[float],
    shadow: Mapping[str, Any] | None,
    now: str,
    serving: Collection[str],
) -> list[dict[str, Any]]:
    """
    Return what alarms look at, then the entries of a shadow and of the newest windows, newest first.

    Each of those is there twice: with the model's version as a dimension, and without, but for what is `ALARMED`. All
    bear the time of the analysis: an alarm looks at the last hour alone, and a window may have ended before that. Of
    the shares that were no picture, `rejected`, the highest is there alone, and of no model. Nobody is to be alarmed by
    a model that has left, whose last window may close a day later: only those in `serving` count there.
    """
    names = [
        {"Name": "Classifier", "Value": classifier},
        {"Name": "Endpoint", "Value": endpoint},
    ]
    found = [_entry("NewReviews", reviewed, "Count", now, names)]
    if rejected:
        found.append(_entry("RejectedRate", max(rejected), "None", now, names))
    newest = sorted(windows, key=lambda each: str(each["end"]), reverse=True)
    spoken = [(window["model_version"], _values(window)) for window in newest]
    for alarmed in ALARMED:
        told = [
            value
            for version, values in spoken
            for name, value, _ in values
            if name == alarmed and version in serving
        ]
        if told:
            found.append(_entry(alarmed, max(told), "None", now, names))
    if shadow:
        spoken.insert(0, (shadow["model_version"], _shadow(shadow)))
    for version, values in spoken:
        versioned = [*names, {"Name": "ModelVersion", "Value": version}]
        own = [
            _entry(name, value, unit, now, dimensions)
            for name, value, unit in values
            for dimensions in ((versioned,) if name in ALARMED else (versioned, names))
        ]
        if len(found) + len(own) > MOST:
            break
        found += own
    return found


def _shadow(shadow: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    pairs: list[tuple[str, float, str]] = [("ShadowPairs", shadow["pairs"], "Count")]
    return [*pairs, ("ShadowAgreement", shadow["agreement"], "None")] if shadow["pairs"] else pairs


def _values(window: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    judged = window["verdict"] in ("clean", "drift", "poor")
    if window["source"] == "reviews":
        if not judged:
            return []
        return [
            ("RoutedAccuracy", window["routed_accuracy"], "None"),
            ("PoorQuality", float(window["verdict"] == "poor"), "None"),
        ]
    values: list[tuple[str, float, str]] = [
        ("WindowImages", window["images"], "Count"),
        ("AbstainRate", window["abstain_rate"], "None"),
        ("DecisionP50", window["p50_ms"], "Milliseconds"),
        ("DecisionP99", window["p99_ms"], "Milliseconds"),
    ]
    if judged:
        for kind, name in KINDS.items():
            scores = [each["score"] for each in window["tests"] if each["kind"] == kind]
            values.append((f"{name}Drift", float(kind in window["kinds"]), "None"))
            values.append((f"{name}Score", max(scores, default=0.0), "None"))
    return values


def _entry(name: str, value: float, unit: str, at: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Unit": unit, "Timestamp": at, "Dimensions": dimensions}
