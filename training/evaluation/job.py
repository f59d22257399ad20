"""The evaluation job: the serving container's answers in; figures, verdict, baseline, report and model card out."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from training.evaluation.answers import read_answers
from training.evaluation.baseline import baseline
from training.evaluation.card import model_card
from training.evaluation.examination import agree, data_facts, examine
from training.evaluation.figures import calibration, risk_coverage, routing
from training.evaluation.report import page
from training.evaluation.verdict import decide
from training.manifest import check_splits, read_manifest
from training.reporting import log, processing_message, run_job
from training.staging.candidates import SPLITS


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the options say."""
    answers = read_answers(options.outputs)
    manifest = {}
    if options.manifest:
        whole = read_manifest(options.manifest)
        check_splits(((split, getattr(options, split)) for split in SPLITS), whole)
        manifest = data_facts(whole)
    theirs = read_answers(options.champion) if options.champion else None
    verdict = decide(answers, theirs, manifest.get("reviewed_tested", {}), options.minimum_accuracy)
    champion = verdict.champion
    examination = examine(options.model, options.test, answers)
    agree(examination.card, manifest, answers)
    figures = {
        **verdict.figures,
        "calibration": calibration(verdict.answers),
        "risk_coverage": risk_coverage(verdict.answers),
        "routing": routing(verdict.answers),
        "robustness": examination.robustness,
        "latency": examination.latency,
        "champion": champion,
        "reviewed": verdict.reviewed,
        "accepted": verdict.accepted,
        "reason": verdict.reason,
    }
    names = ("file", "expected", "predicted", "confidence", "confident")
    images = [{name: getattr(answer, name) for name in names} for answer in answers]
    brief = verdict.brief_of_reviewed
    small = ("accuracy", "n", "coverage", "accuracy_when_routed", "interval95", "accepted", "reason")
    gate = {name: figures[name] for name in small} | {"reviewed": brief}
    gate["champion_accuracy"] = champion["accuracy"] if champion else None
    compared = baseline(examination.card, verdict.answers, [options.train, options.validation])
    options.report.mkdir(parents=True, exist_ok=True)
    for name, content in (("evaluation", {**figures, "images": images}), ("gate", gate)):
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (options.report / f"{name}.json").write_text(text, encoding="utf-8")
    # Thousands of numbers: a line of each would only make it long.
    (options.report / "baseline.json").write_text(json.dumps(compared) + "\n", encoding="utf-8")
    (options.report / "report.html").write_text(page(figures, manifest, examination), encoding="utf-8")
    (options.report / "model_card.md").write_text(
        model_card(examination.card, figures, manifest, options.code_version), encoding="utf-8"
    )
    log(f"accepted={verdict.accepted} {verdict.reason}")


def _share(word: str) -> float:
    try:
        share = float(word)
    except ValueError:
        share = math.nan
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"{word!r} is no share from 0 to 1")
    return share


def main(arguments: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Judge a model by its test answers.")
    parser.add_argument("--outputs", type=Path, required=True, help="answers of the new model")
    parser.add_argument("--model", type=Path, required=True, help="its serving archive")
    parser.add_argument("--test", type=Path, required=True, help="the pictures that it answered for")
    parser.add_argument(
        "--train", type=Path, required=True, help="the train split: what inputs are to look like"
    )
    parser.add_argument("--validation", type=Path, required=True, help="the validation split: likewise")
    parser.add_argument("--manifest", type=Path, help="the dataset's manifest")
    parser.add_argument("--champion", type=Path, help="answers of the champion to the same pictures")
    parser.add_argument("--minimum-accuracy", type=_share, required=True, help="the gate's floor, 0…1")
    parser.add_argument("--code-version", default="", help="what the code that trained it is called")
    parser.add_argument("--report", type=Path, default=Path("/opt/ml/processing/output/report"))
    options = parser.parse_args(list(arguments))
    return run_job(lambda: evaluate(options), [processing_message(options.report)])
