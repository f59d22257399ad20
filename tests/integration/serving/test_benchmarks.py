"""The benchmarks of serving, functions and synth run, for a moment; their figures are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import engine, lambdas, overload, serving, synth


def test_the_engine_is_compared_with_its_parts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figures = tmp_path / "engine.json"
    engine.main(["--image-size", "32", "--images", "4", "--rounds", "1", "--out", str(figures)])
    said = capsys.readouterr().out
    assert "the engine / decoding and the model taking turns: " in said
    assert "same decisions 1.0000" in said
    found = json.loads(figures.read_text())["agreement"]
    for which in ("the model", "bytes to answers"):
        same, largest = found.pop(which)
        assert same == 1.0
        assert largest < 0.01
    ((_, moved),) = found.values()  # by pixels that are one off: how much is the model's own affair
    assert 0 < moved < 1


def test_every_function_starts(capsys: pytest.CaptureFixture[str]) -> None:
    lambdas.main(["--rounds", "1"])
    said = capsys.readouterr().out
    assert said.count(" KiB") == 7
    assert "classify_image / bare boto3" in said


@pytest.mark.slow
def test_synth_is_measured_by_classifiers(capsys: pytest.CaptureFixture[str]) -> None:
    synth.main(["--classifiers", "1", "2", "--rounds", "1"])
    said = capsys.readouterr().out
    assert "1 classifiers: " in said
    assert "2 classifiers: " in said


@pytest.mark.slow
def test_both_applications_are_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figures = tmp_path / "serving.json"
    serving.main(
        [
            "--image-size",
            "64",
            "--seconds",
            "0.5",
            "--overload",
            "1",
            "--soak",
            "1200",
            "--senders",
            "2",
            "--out",
            str(figures),
        ]
    )
    said = capsys.readouterr().out
    assert said.count("p99 at 200 % / at 70 %") == 4
    assert said.count("and the adapter alone passes on ") == 2
    assert json.loads(figures.read_text())["memory"]["after_1000"] > 0


@pytest.mark.slow
def test_the_application_is_overloaded(capsys: pytest.CaptureFixture[str]) -> None:
    overload.main(["--seconds", "0.5", "--overload", "1"])
    assert capsys.readouterr().out.count("p99 at 200 % / at 70 %") == 2
