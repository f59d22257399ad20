"""The evaluation job: the serving container's answers in, figures and a verdict out."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.calibration import wilson_interval
from training.errors import EvaluationError
from training.reporting import log, processing_message, run_job

SUFFIX = ".out"
_Z95 = 1.959963984540054
_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Answer:
    """One test picture's answer; `file` is `<class>/<name>`."""

    file: str
    expected: str
    predicted: str
    confidence: float
    confident: bool
    threshold: float
    model_version: str

    @property
    def correct(self) -> bool:
        """Whether the class is the right one."""
        return self.predicted == self.expected


def read_answers(folder: Path) -> list[Answer]:
    """
    Read what a transform job wrote.

    Raises
    ------
    EvaluationError
        When there is nothing, or an answer is not of the agreed shape.
    """
    answers = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        file = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            answers.append(
                Answer(
                    file=file,
                    expected=file.partition("/")[0],
                    predicted=raw["class"],
                    confidence=float(raw["confidence"]),
                    confident=bool(raw["confident"]),
                    threshold=float(raw["threshold"]),
                    model_version=str(raw["model_version"]),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"The answer {file} is not of the agreed shape: {error!r}.") from error
    if not answers:
        raise EvaluationError(f"There are no answers to evaluate in {folder}: did the transform job run?")
    return answers


def summarize(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the figures of one model's answers."""
    count = len(answers)
    right = sum(answer.correct for answer in answers)
    routed = [answer for answer in answers if answer.confident]
    classes = sorted({name for answer in answers for name in (answer.expected, answer.predicted)})
    confusion = [
        [sum(a.expected == expected and a.predicted == predicted for a in answers) for predicted in classes]
        for expected in classes
    ]
    return {
        "n": count,
        "accuracy": right / count,
        "interval95": list(wilson_interval(right, count)),
        "coverage": len(routed) / count,
        "accuracy_when_routed": sum(a.correct for a in routed) / len(routed) if routed else None,
        "threshold": answers[0].threshold,
        "model_version": answers[0].model_version,
        "classes": classes,
        "confusion": confusion,
        "per_class": {name: _class(answers, name) for name in classes},
    }


def _class(answers: Sequence[Answer], name: str) -> dict[str, float | None]:
    hits = sum(a.expected == name and a.predicted == name for a in answers)
    said = sum(a.predicted == name for a in answers)
    there = sum(a.expected == name for a in answers)
    return {"precision": hits / said if said else None, "recall": hits / there if there else None}


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of McNemar's exact test: how often a fair coin splits the changed answers so unevenly."""
    changed = gained + lost
    tail = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


def compare(answers: Sequence[Answer], champion: Sequence[Answer]) -> dict[str, Any]:
    """
    Compare two models on the same pictures.

    Returns
    -------
    dict
        `difference` of the accuracies with its approximate 95 % interval, `p_value` of McNemar's exact test, and
        `worse`: whether more pictures were lost than gained and the test says that at 5 %. The interval alone
        would call four lost pictures proof, which chance does once in eight times.

    Raises
    ------
    EvaluationError
        When they did not answer the same pictures.
    """
    theirs = {answer.file: answer for answer in champion}
    if {answer.file for answer in answers} != set(theirs):
        raise EvaluationError("The champion and the new model did not answer the same pictures.")
    gained = sum(a.correct and not theirs[a.file].correct for a in answers)
    lost = sum(not a.correct and theirs[a.file].correct for a in answers)
    count = len(answers)
    difference = (gained - lost) / count
    spread = math.sqrt(max(0.0, gained + lost - (gained - lost) ** 2 / count)) / count
    interval = [difference - _Z95 * spread, difference + _Z95 * spread]
    p_value = mcnemar(gained, lost)
    return {
        "accuracy": sum(answer.correct for answer in champion) / count,
        "difference": difference,
        "interval95": interval,
        "p_value": p_value,
        "worse": lost > gained and p_value < _SIGNIFICANCE,
        "model_version": champion[0].model_version,
    }


def judge(figures: Mapping[str, Any], champion: Mapping[str, Any] | None, floor: float) -> tuple[bool, str]:
    """Return whether the model may be deployed, and why, in one sentence."""
    accuracy = f"{figures['accuracy']:.1%} of {figures['n']} test images right"
    if figures["accuracy"] < floor:
        return False, f"{accuracy}, below the floor of {floor:.1%}."
    if champion is not None and champion["worse"]:
        return False, f"{accuracy}, worse than the champion's {champion['accuracy']:.1%} beyond chance."
    if champion is not None:
        return True, f"{accuracy}, not worse than the champion's {champion['accuracy']:.1%}."
    return True, f"{accuracy}, at or above the floor of {floor:.1%}."


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the options say."""
    answers = read_answers(options.outputs)
    figures = summarize(answers)
    champion = compare(answers, read_answers(options.champion)) if options.champion else None
    accepted, reason = judge(figures, champion, options.minimum_accuracy)
    verdict = {"accepted": accepted, "reason": reason}
    images = [
        {
            "file": a.file,
            "expected": a.expected,
            "predicted": a.predicted,
            "confidence": a.confidence,
            "confident": a.confident,
        }
        for a in answers
    ]
    options.report.mkdir(parents=True, exist_ok=True)
    whole = {**figures, "champion": champion, **verdict, "images": images}
    small = ("accuracy", "n", "coverage", "accuracy_when_routed", "interval95")
    gate = {name: figures[name] for name in small} | verdict
    gate["champion_accuracy"] = champion["accuracy"] if champion else None
    for name, content in (("evaluation", whole), ("gate", gate)):
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (options.report / f"{name}.json").write_text(text, encoding="utf-8")
    log(f"accepted={accepted} {reason}")


def main(arguments: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Judge a model by its test answers.")
    parser.add_argument("--outputs", type=Path, required=True, help="answers of the new model")
    parser.add_argument("--champion", type=Path, help="answers of the champion to the same pictures")
    parser.add_argument("--minimum-accuracy", type=float, required=True, help="the gate's floor, 0…1")
    parser.add_argument("--report", type=Path, default=Path("/opt/ml/processing/output/report"))
    options = parser.parse_args(list(arguments))
    return run_job(lambda: evaluate(options), [processing_message(options.report)])
