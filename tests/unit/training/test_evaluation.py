"""The verdict on a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.errors import EvaluationError
from training.evaluation import compare, judge, main, mcnemar, read_answers, summarize


def answers(folder: Path, right: int, wrong: int, *, confident: bool = True) -> Path:
    for number in range(right + wrong):
        expected = ("bicycle", "motorcycle")[number % 2]
        other = ("motorcycle", "bicycle")[number % 2]
        path = folder / expected / f"{number}.png.out"
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = {
            "class": expected if number < right else other,
            "confidence": 0.9,
            "confident": confident,
            "threshold": 0.8,
            "model_version": "abc",
        }
        path.write_text(json.dumps(answer))
    return folder


def test_figures_are_those_of_the_answers(tmp_path: Path) -> None:
    figures = summarize(read_answers(answers(tmp_path, 18, 2)))
    assert figures["n"] == 20
    assert figures["accuracy"] == 0.9
    assert figures["confusion"] == [[9, 1], [1, 9]]
    assert figures["interval95"][0] < 0.9 < figures["interval95"][1]
    assert figures["coverage"] == 1.0
    assert figures["accuracy_when_routed"] == 0.9


def test_a_model_below_the_floor_is_rejected_with_its_reason(tmp_path: Path) -> None:
    figures = summarize(read_answers(answers(tmp_path, 16, 4)))
    accepted, reason = judge(figures, None, 0.95)
    assert not accepted
    assert reason == "80.0% of 20 test images right, below the floor of 95.0%."


def test_a_model_worse_than_the_champion_beyond_chance_is_rejected(tmp_path: Path) -> None:
    champion = read_answers(answers(tmp_path / "champion", 200, 0))
    worse = read_answers(answers(tmp_path / "worse", 180, 20))
    compared = compare(worse, champion)
    assert compared["worse"]
    accepted, reason = judge(summarize(worse), compared, 0.5)
    assert not accepted
    assert "worse than the champion's 100.0%" in reason


def test_four_lost_pictures_are_chance_and_six_are_not(tmp_path: Path) -> None:
    champion = read_answers(answers(tmp_path / "champion", 200, 0))
    assert not compare(read_answers(answers(tmp_path / "four", 196, 4)), champion)["worse"]
    assert compare(read_answers(answers(tmp_path / "six", 194, 6)), champion)["worse"]
    assert mcnemar(0, 4) == 0.125
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0


def test_a_model_within_chance_of_the_champion_is_accepted(tmp_path: Path) -> None:
    champion = read_answers(answers(tmp_path / "champion", 200, 0))
    close = read_answers(answers(tmp_path / "close", 198, 2))
    compared = compare(close, champion)
    assert not compared["worse"]
    assert judge(summarize(close), compared, 0.5)[0]


def test_models_that_answered_other_pictures_are_not_compared(tmp_path: Path) -> None:
    one, two = answers(tmp_path / "one", 10, 0), answers(tmp_path / "two", 11, 0)
    with pytest.raises(EvaluationError, match="same pictures"):
        compare(read_answers(one), read_answers(two))


def test_the_job_writes_what_the_workflow_and_the_smoke_test_read(tmp_path: Path) -> None:
    report = tmp_path / "processing" / "output" / "report"
    outputs = str(answers(tmp_path / "outputs", 19, 1))
    assert main(["--outputs", outputs, "--minimum-accuracy", "0.9", "--report", str(report)]) == 0
    gate = json.loads((report / "gate.json").read_text())
    evaluation = json.loads((report / "evaluation.json").read_text())
    assert gate["accepted"] is True
    assert gate["champion_accuracy"] is None
    assert set(evaluation["images"][0]) == {"file", "expected", "predicted", "confidence", "confident"}


def test_the_job_fails_with_one_sentence_when_there_are_no_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--outputs", str(tmp_path), "--minimum-accuracy", "0.9", "--report", str(tmp_path / "r")]) == 1
    )
    assert "There are no answers to evaluate" in capsys.readouterr().err.strip().splitlines()[-1]
