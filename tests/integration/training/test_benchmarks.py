"""The benchmarks run, on drawings and for a moment; their figures are not looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import accuracy, copies, drift, peers, shifts, training
from training.drawings import draw


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    for label in ("bicycle", "motorcycle"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(16):
            draw(label, 3, number).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path / "data"


def test_accuracy_is_printed_for_each_model(
    drawings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SCRATCH_EPOCHS", 1)
    figures = drawings.parent / "figures.json"
    given = ["epochs=1", "image-size=32", "folds=2", "batch-size=8", "frozen-blocks=12"]
    arguments = [
        *("--data", str(drawings), "--folds", "2", "--out", str(drawings.parent)),
        *(word for each in given for word in ("--set", each)),
    ]
    accuracy.main(arguments)
    said = capsys.readouterr().out
    written = json.loads(figures.read_text())
    for name in ("network", "frozen", "scratch"):
        assert f"\n{name:8} accuracy " in said
        assert len(written["seed 0"][name]["accuracy"]) == 2
    assert "calibration error" in said
    assert "pictures right" in said
    assert "by networks that had not learnt from them" in said
    # As one that was ended after all but the last fold goes on.
    next(drawings.parent.glob("folds/*/scratch-0-2.json")).write_text('{"confidence": [')
    accuracy.main([*arguments, "--seeds", "0", "0"])
    said = capsys.readouterr().out
    assert said.count("by an earlier run") == 5
    again = json.loads(figures.read_text())
    for found in (written, again):
        del found["seed 0"]["scratch"]["seconds"]
    assert again == written


def test_the_copies_that_staging_finds_are_printed(
    drawings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["--data", str(drawings)], ["--most", "6"]):
        copies.main(arguments)
        said = capsys.readouterr().out
        assert re.search(r"JPEG of quality 95 +\d+\.\d% found", said)
        assert re.search(r"mirrored +0\.0% found", said)
    with pytest.raises(SystemExit, match="2"):
        copies.main(["--data", str(drawings / "nowhere")])
    assert "The source folder 'nowhere' does not exist" in capsys.readouterr().err


def test_the_time_is_that_of_every_fit_and_the_last_stage_the_model_that_is_kept(
    drawings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So restless that fits stop early, and not all after the same epoch: on some processors three of three would.
    given = ["epochs=6", "patience=1", "image-size=32", "folds=5", "batch-size=8", "frozen-blocks=12"]
    accuracy.main(
        [
            *("--data", str(drawings), "--folds", "2", "--only", "network", "--out", str(drawings.parent)),
            *(
                word
                for each in [*given, "learning-rate=0.05", "target-error=0.2"]
                for word in ("--set", each)
            ),
        ]
    )
    lines = re.findall(r"fold-. epoch=(\d).* seconds=([\d.]+);", capsys.readouterr().out)
    written = json.loads((drawings.parent / "figures.json").read_text())["seed 0"]["network"]
    assert sum(written["training_seconds"]) == pytest.approx(
        sum(float(seconds) for _, seconds in lines), abs=0.01
    )
    ends = [
        int(number)
        for (number, _), (after, _) in zip(lines, [*lines[1:], ("1", "")], strict=True)
        if after == "1"
    ]
    assert len(ends) == 10
    assert len({*ends[:5]}) > 1
    assert len({*ends[5:]}) > 1
    assert written["epochs"] == [max(ends[:5]), max(ends[5:])]
    for file in drawings.parent.glob("folds/*/network-*.json"):
        outcome = peers.Outcome.from_json(file.read_text())
        assert (outcome.stages[-1].correct == outcome.correct).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "/no/such"], "'such' does not exist"),
        (["--set", "foo"], "'foo' is no NAME=VALUE"),
        (["--set", "magic=1"], "There is no hyperparameter 'magic'"),
        (["--set", "epochs=1", "--set", "epochs=2"], "'epochs' is given twice"),
        (["--set", "seed=-1"], "'seed' is -1"),
        (["--set", "seed=7"], "'seed' is not set here: give --seeds"),
        (["--set", "device=cuda"], "'device' is not set here: give --device"),
        (["--set", "folds=1"], "set folds to 2 or more"),
        (["--set", "seed=0"], "'seed' is not set here: give --seeds"),
        (["--out", "/dev/null"], "/dev/null cannot be used: File exists. See --out."),
        (["--out", "/proc"], "/proc/folds cannot be used"),
        (["--seeds", "-1"], "'-1' is no whole number from 0"),
        (["--folds", "1"], "'1' is no whole number from 2"),
        (["--folds", "40"], "40 outer folds are too many for"),
        (["--device", "tpu"], "'device' is 'tpu'"),
        (["--device", "cuda"], "this machine has no usable GPU"),
    ],
)
def test_what_accuracy_cannot_measure_is_one_sentence(
    drawings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as caught:
        accuracy.main(["--data", str(drawings), "--out", str(drawings.parent), *words])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_ratios_are_printed_for_a_training_step(capsys: pytest.CaptureFixture[str]) -> None:
    training.main(["--image-size", "32", "--batch-size", "2", "--rounds", "1"])
    assert capsys.readouterr().out.count("ms/step") == 4


def test_false_alarms_and_power_are_printed(
    drawings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifts, "DRAWN", 20)
    drift.main(["--runs", "1", "--window", "50", "--data", str(drawings), "--image-size", "32"])
    said = capsys.readouterr().out
    assert "drawn with replacement (too few)" in said
    assert "false alarms per 100 windows" in said
    assert said.count("raised within one window") == 5


def test_an_interruption_says_what_is_kept(
    drawings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(accuracy.MODELS, "network", interrupted)
    with pytest.raises(SystemExit) as caught:
        accuracy.main(["--data", str(drawings), "--out", str(drawings.parent), "--only", "network"])
    assert caught.value.code == 130
    assert f"What was answered is kept in {drawings.parent}" in capsys.readouterr().err
