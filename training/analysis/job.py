"""The analysis job: the log, the reviews and the previous state in; verdicts, metrics, a report and a state out."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.analysis.baselines import Baseline, Baselines
from training.analysis.comparison import Comparison
from training.analysis.drift import compare
from training.analysis.metrics import metrics
from training.analysis.quality import full_windows, judge_reviews
from training.analysis.reading import Counts, new_answers, new_predictions, new_reviews
from training.analysis.records import NONE, Prediction, Review, iso, seconds
from training.analysis.report import page
from training.analysis.state import State, read_state
from training.analysis.storage import place
from training.analysis.trigger import retrain
from training.analysis.windows import Gathering, Span, Window
from training.errors import AnalysisError
from training.reporting import log, processing_message, run_job

MOST_WINDOWS = 20
"""Windows that analysis.json tells of in full, the newest: the state machine reads it whole."""


def judge(window: Window, baseline: Baseline | str, minimum: int) -> dict[str, Any]:
    """Return a window of predictions with its verdict: too small, no baseline, clean or drift."""
    milliseconds = [each.milliseconds for each in window.records]
    unsure = sum(not each.confident for each in window.records)
    small, missing = len(window.records) < minimum, isinstance(baseline, str)
    findings = [] if small or isinstance(baseline, str) else compare(window.records, baseline)
    kinds = sorted({each.kind for each in findings if each.drift})
    verdict = "too small" if small else "no baseline" if missing else "drift" if kinds else "clean"
    return {
        "source": "predictions",
        "model_version": window.version,
        "start": iso(window.start),
        "end": iso(window.end),
        "verdict": verdict,
        "kinds": kinds,
        "images": len(window.records),
        "abstain_rate": round(unsure / len(window.records), 4),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 1),
        "tests": [each.as_dict() for each in findings],
    }


def analyze(options: argparse.Namespace) -> None:
    """Analyse as the options say."""
    now, late = _moment(options.now, "--now"), options.late_hours
    state, counts = read_state(options.previous, now), Counts()
    baselines = Baselines(place(options.runs))
    span = Span(options.window_images, options.window_hours, options.minimum_images)
    gathering = Gathering(span, state.opened, state.serving, state.served_at)
    predictions = list(new_predictions(place(options.log), state, counts, now, late))
    reviews = list(new_reviews(place(options.reviews), state, counts, now, late))
    _count(predictions, state)
    closed = gathering.add((each for each in predictions if not each.rejected), now)
    rejected = state.intake.add(predictions, span, now)
    state.serving, state.served_at = gathering.serving, gathering.served_at
    judged = [judge(window, baselines.of(window.version), span.minimum) for window in closed]
    retrained = _moment(options.retrained, "--retrained") if options.retrained else 0.0
    judged += _reviewed(reviews, state, now, retrained, options.target_error)
    judged.sort(key=lambda each: (each["end"], each["source"], each["model_version"]))
    decided = _decide(options, state, judged, now, retrained)
    compared = _compare_shadow(options, state, predictions, reviews, counts, now)
    shadow = compared.as_dict(span.minimum, options.target_error) if compared else None
    state.analyzed_at = now
    state.forget(now, late)
    analysis = {
        "classifier": options.classifier,
        "endpoint": options.endpoint,
        "analyzed_at": iso(now),
        "serving": state.serving,
        "windows": judged[-MOST_WINDOWS:],
        "windows_closed": len(judged),
        "waiting": {version: len(window.records) for version, window in sorted(state.opened.items())},
        "rejected_rates": rejected[-MOST_WINDOWS:],
        "counts": counts.as_dict(),
        "quality": {version: tally.as_dict() for version, tally in sorted(state.tallies.items()) if version},
        "new_reviews": len(state.reviewed),
        "notes": _notes(judged, baselines, counts),
        "metrics": metrics(
            judged,
            options.classifier,
            options.endpoint,
            len(state.reviewed),
            rejected,
            shadow,
            iso(now),
            # In a canary two models serve, and the newest answer is of either.
            {state.serving, options.champion},
        ),
        "shadow": shadow,
        **decided,
    }
    options.report.mkdir(parents=True, exist_ok=True)
    shown = next((w for w in reversed(closed) if isinstance(baselines.of(w.version), Baseline)), None)
    beside = baselines.of(shown.version) if shown else None
    text = page(analysis, state.history, shown, beside if isinstance(beside, Baseline) else None, compared)
    (options.report / "report.html").write_text(text, encoding="utf-8")
    for name, content in (("analysis", analysis), ("state", state.as_dict())):
        (options.report / f"{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
    log(
        f"windows={len(judged)} drift={sum(each['verdict'] == 'drift' for each in judged)} "
        f"predictions={counts.predictions} reviews={counts.reviews} "
        f"retrain={decided['retrain']['trigger'] or 'no'} rollback={decided['rollback']['wanted']}"
    )


def _count(predictions: Sequence[Prediction], state: State) -> None:
    for each in predictions:
        tally = state.tally(each.model_version or state.serving)
        tally.at = max(tally.at, each.at)
        tally.rejected += each.rejected
        tally.sure += not each.rejected and each.confident
        tally.unsure += not each.rejected and not each.confident


def _reviewed(
    reviews: Sequence[Review], state: State, now: float, retrained: float, target_error: float
) -> list[dict[str, Any]]:
    """Count the new reviews, and judge those windows of them that are full."""
    for review in reviews:
        tally = state.tally(review.model_version)
        tally.at = max(tally.at, review.at)
        tally.count(review)
        if review.sure and review.sampled:
            state.waiting.setdefault(review.model_version, []).append(review)
        if review.label != NONE:
            state.reviewed.append(review.at)
    state.reviewed = [at for at in state.reviewed if at >= retrained]
    return [
        judge_reviews(version, window, target_error)
        for version, waiting in sorted(state.waiting.items())
        for window in full_windows(waiting, now)
    ]


def _decide(
    options: argparse.Namespace,
    state: State,
    judged: Sequence[dict[str, Any]],
    now: float,
    retrained: float,
) -> dict[str, dict[str, Any]]:
    """Remember the new verdicts; return what is wanted: the model before, which goes first, and a new one."""
    champion, before = options.champion, options.predecessor
    promoted = _moment(options.promoted, "--promoted") if options.promoted else 0.0
    verdicts = [{**each, "tests": _scores(each.get("tests", []))} for each in judged]
    known = 0.0 if state.analyzed_at else now - options.late_hours * 3600
    state.trials.begin(champion, before, promoted, known, state.history)
    state.trials.hear(verdicts)
    state.history += verdicts
    return {
        "rollback": state.trials.decide(champion, before),
        "retrain": retrain(
            state.history, state.serving, len(state.reviewed), options.enough_reviews, retrained
        ),
    }


def _compare_shadow(
    options: argparse.Namespace,
    state: State,
    predictions: Sequence[Prediction],
    reviews: Sequence[Review],
    counts: Counts,
    now: float,
) -> Comparison | None:
    """Join what is new with the shadow's answers; return the newest of its models beside the one that serves."""
    if options.shadow:
        for answer in new_answers(place(options.shadow), state, counts, now, options.late_hours):
            state.shadow.answer(answer, now)
        for prediction in predictions:
            state.shadow.decision(prediction, now)
        for review in reviews:
            state.shadow.review(review, now)
    counts.shadow_unmatched = state.shadow.forget(now, options.late_hours)
    return state.shadow.newest(state.serving, now, options.late_hours) if options.shadow else None


def _scores(tests: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return each kind's largest effect: what the report's plots look back on."""
    return {
        kind: max(each["score"] for each in tests if each["kind"] == kind)
        for kind in {each["kind"] for each in tests}
    }


def _notes(judged: Sequence[dict[str, Any]], baselines: Baselines, counts: Counts) -> list[str]:
    """Return what an operator should know beside the verdicts, a sentence each."""
    met = {each["model_version"] for each in judged if each["verdict"] == "no baseline"}
    notes = [found for version in sorted(met) if isinstance(found := baselines.of(version), str)]
    broken = counts.broken_files + counts.broken_lines + counts.broken_reviews
    if broken:
        notes.append(
            f"{counts.broken_files} files, {counts.broken_lines} lines and {counts.broken_reviews} reviews "
            f"could not be read and were left out; the first: {counts.broken[0]}."
        )
    return notes


def _moment(text: str, option: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise AnalysisError(
            f"The time {text!r} of {option} is not in ISO's form: give 2026-01-31T12:00:00Z."
        ) from error


def _given(text: str) -> str:
    """Read an argument that a job's request must not leave empty."""
    return "" if text == "none" else text


def main(arguments: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="analyze.py", description="Judge live traffic by the prediction log."
    )
    parser.add_argument("--log", required=True, help="the prediction log's folder or S3 prefix")
    parser.add_argument("--reviews", required=True, help="where people's answers are")
    parser.add_argument("--runs", required=True, help="where the runs with their baselines are")
    parser.add_argument(
        "--previous", type=_given, default="", help="the last analysis's state.json; none before the first"
    )
    parser.add_argument("--target-error", type=float, required=True, help="tolerated share of wrong routes")
    parser.add_argument("--window-images", type=int, default=200, help="pictures that fill a window")
    parser.add_argument("--window-hours", type=float, default=24.0, help="age that closes one")
    parser.add_argument("--minimum-images", type=int, default=50, help="fewer are not judged")
    parser.add_argument("--late-hours", type=float, default=72.0, help="how late the log's files may come")
    parser.add_argument("--enough-reviews", type=int, default=100, help="new ones that are worth a model")
    parser.add_argument(
        "--retrained", type=_given, default="", help="when it was last trained for its traffic, ISO; or none"
    )
    parser.add_argument("--champion", type=_given, default="", help="the model that is to serve; or none")
    parser.add_argument("--promoted", type=_given, default="", help="when it became champion, ISO; or none")
    parser.add_argument("--predecessor", type=_given, default="", help="the champion before it; or none")
    parser.add_argument(
        "--shadow", type=_given, default="", help="where a shadow's answers are captured; or none"
    )
    parser.add_argument("--classifier", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--now", required=True, help="the time that the analysis is of, ISO")
    parser.add_argument("--report", type=Path, default=Path("/opt/ml/processing/output/report"))
    options = parser.parse_args(list(arguments))
    return run_job(lambda: analyze(options), [processing_message(options.report)])
