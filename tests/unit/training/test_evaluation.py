"""The verdict on a model."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from classifier.artifact import save_model
from classifier.card import ModelCard, read_card
from classifier.network import EfficientNetLite0
from training.drawings import draw_candidates
from training.errors import DatasetError, EvaluationError
from training.evaluation.answers import Answer, read_answers
from training.evaluation.card import model_card
from training.evaluation.figures import at_most, calibration, risk_coverage, routing, summarize
from training.evaluation.job import main
from training.evaluation.verdict import compare, decide, judge, mcnemar, recent
from training.manifest import read_manifest
from training.staging.dataset import build_dataset, version_of, write_dataset

SEEN = {"image": {"brightness": 0.5, "format": "PNG"}, "embedding": [0.1] * 8}


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
            **SEEN,
        }
        path.write_text(json.dumps(answer))
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confident": False}, "says confident false with a confidence of 0.9 and a threshold of 0.8"),
        ({"confidence": 0.79}, "says confident true with a confidence of 0.79 and a threshold of 0.8"),
        (
            {"threshold": 1.0, "confidence": 1.0},
            "says confident true with a confidence of 1 and a threshold of 1",
        ),
        ({"confident": "true"}, 'says confident "true"'),
        ({"confidence": 17}, "has a confidence of 17.0, and it is from 0 to 1"),
        ({"confidence": float("nan")}, "has a confidence of nan"),
        ({"class": None}, "is not of the agreed shape: TypeError('class None')"),
        ({"threshold": None}, "is not of the agreed shape"),
        ({"embedding": []}, "has no embedding of 8 finite numbers"),
        ({"embedding": [float("nan")] * 8}, "has no embedding of 8 finite numbers"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    path = answers(tmp_path, 2, 0) / "bicycle" / "0.png.out"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(EvaluationError, match=r"The answer bicycle/0\.png ") as refusal:
        read_answers(tmp_path)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("threshold", "confidence", "confident"),
    [(0.8, 0.8, True), (1.0, 1.0, False), (0.123457, 0.123456, False)],
)
def test_an_answer_is_confident_from_its_threshold_on_and_never_where_that_is_one(
    tmp_path: Path, threshold: float, confidence: float, confident: bool
) -> None:
    path = answers(tmp_path, 1, 0) / "bicycle" / "0.png.out"
    changes = {"threshold": threshold, "confidence": confidence, "confident": confident}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert read_answers(tmp_path)[0].confident is confident


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
    assert "worse beyond chance than the champion's 100.0%" in reason


def test_four_lost_pictures_are_chance_and_six_are_not(tmp_path: Path) -> None:
    champion = read_answers(answers(tmp_path / "champion", 200, 0))
    assert not compare(read_answers(answers(tmp_path / "four", 196, 4)), champion)["worse"]
    assert compare(read_answers(answers(tmp_path / "six", 194, 6)), champion)["worse"]
    assert mcnemar(0, 4) == 0.125
    # The interval that is told is the one that decides, and says what the test does.
    for right in range(185, 201):
        compared = compare(read_answers(answers(tmp_path / str(right), right, 200 - right)), champion)
        low, high = compared["interval95"]
        assert low <= compared["difference"] <= high
        assert (high < 0) == compared["worse"] == (compared["p_value"] < 0.05)
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


def groups(source: tuple[int, int], reviewed: tuple[int, int]) -> list[Answer]:
    """Make answers, so many right and wrong, to a source's pictures and to reviewed ones."""
    return [
        replace(answer(said, 0.9), file=f"bicycle/{group}-{number}.png")
        for group, (right, wrong) in (("source", source), ("reviewed", reviewed))
        for number, said in enumerate([True] * right + [False] * wrong)
    ]


REVIEWED = {f"bicycle/reviewed-{number}.png": date(2026, 11, 25) for number in range(20)}


@pytest.mark.parametrize(
    ("model", "champion", "accepted", "reason"),
    [
        (
            ((95, 5), (4, 16)), None, True,
            "95.0% of 100 test images of the source right, at or above the floor of 90.0%; 20.0% of 20 recently "
            "reviewed test images right.",
        ),
        (
            ((85, 15), (20, 0)), None, False,
            "85.0% of 100 test images of the source right, below the floor of 90.0%.",
        ),
        (
            ((90, 10), (20, 0)), ((100, 0), (0, 20)), False,
            "90.0% of 100 test images of the source right, worse beyond chance than the champion's 100.0% "
            "(difference at 95 %: -10.0 to -3.8 points).",
        ),
        (
            ((100, 0), (10, 10)), ((90, 10), (20, 0)), False,
            "50.0% of 20 recently reviewed test images right, worse beyond chance than the champion's 100.0% "
            "(difference at 95 %: -50.0 to -19.2 points).",
        ),
        (
            ((98, 2), (19, 1)), ((99, 1), (20, 0)), True,
            "98.0% of 100 test images of the source right, not worse than the champion's 99.0% "
            "(difference at 95 %: -1.0 to +0.9 points); 95.0% of 20 recently reviewed test images right, not worse "
            "than its 100.0% (difference at 95 %: -5.0 to +4.8 points).",
        ),
    ],
)  # fmt: skip
def test_each_group_of_pictures_is_judged_by_itself(
    model: tuple[tuple[int, int], tuple[int, int]],
    champion: tuple[tuple[int, int], tuple[int, int]] | None,
    accepted: bool,
    reason: str,
) -> None:
    verdict = decide(groups(*model), groups(*champion) if champion else None, REVIEWED, 0.9)
    assert (verdict.accepted, verdict.reason) == (accepted, reason)
    assert (verdict.figures["n"], len(verdict.answers)) == (100, 100)
    assert verdict.reviewed is not None
    assert verdict.reviewed["n"] == 20


def test_a_model_without_any_picture_of_the_source_is_not_judged() -> None:
    with pytest.raises(EvaluationError, match="No test picture comes from the source"):
        decide(groups((0, 0), (20, 0)), None, REVIEWED, 0.9)


def test_what_was_reviewed_long_ago_decides_nothing() -> None:
    newest = date(2026, 11, 25)
    days: dict[str, date | None] = {
        "new": newest,
        "late": newest - timedelta(90),
        "old": newest - timedelta(91),
        "none": None,
    }
    assert recent(days) == {"new", "late", "none"}
    assert recent({"none": None}) == {"none"}
    aged = {
        file: newest - timedelta(200 if number < 10 else 0) for number, file in enumerate(sorted(REVIEWED))
    }
    old = {file for file, day in aged.items() if day != newest}
    # All that it gets wrong is old.
    answers = [
        replace(each, predicted="motorcycle") if each.file in old else each
        for each in groups((100, 0), (20, 0))
    ]
    verdict = decide(answers, groups((100, 0), (20, 0)), aged, 0.9)
    assert verdict.accepted
    assert verdict.reviewed is not None
    assert (verdict.reviewed["n"], verdict.reviewed["accuracy"], verdict.figures["n"]) == (10, 1.0, 100)


def answer(correct: bool, confidence: float) -> Answer:
    said = "bicycle" if correct else "motorcycle"
    return Answer("bicycle/x.png", "bicycle", said, confidence, confidence >= 0.9, 0.9, "abc", {}, (0.0,) * 8)


def test_the_risk_falls_with_the_share_that_is_routed() -> None:
    made = (
        [answer(True, 0.99)] * 80
        + [answer(False, 0.95)]
        + [answer(True, 0.92)] * 9
        + [answer(False, 0.6)] * 10
    )
    curve = risk_coverage(made)
    assert [(round(p["coverage"], 2), round(p["error"], 4)) for p in curve] == [
        (0.8, 0.0),
        (0.81, 0.0123),
        (0.9, 0.0111),
        (1.0, 0.11),
    ]
    assert (routing(made)["routed"], routing(made)["wrong"]) == (90, 1)
    assert 0.05 < routing(made)["error_upper95"] < 0.053


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    sure = calibration([answer(index % 10 != 0, 0.9) for index in range(300)])
    assert sure["error"] == pytest.approx(0.0, abs=0.02)
    assert calibration([answer(index % 2 == 0, 0.9) for index in range(300)])["error"] == pytest.approx(
        0.4, abs=0.02
    )
    assert sum(each["count"] for each in sure["bins"]) == 300


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of what the job reads: drawings, and answers with one mistake to them."""
    made = tmp_path_factory.mktemp("prepared")
    classes, candidates = draw_candidates(("bicycle", "motorcycle"), 20, 0)
    dataset, files = build_dataset("drawings", classes, candidates, drawings=True, log=lambda _: None)
    write_dataset(dataset, files, made / "data")
    tests = [p for p in dataset.pictures if p.split == "test"]
    for number, picture in enumerate(tests):
        other = next(name for name in classes if name != picture.label)
        said = {"class": other if number == 0 else picture.label, "confidence": 0.9, "confident": True}
        path = made / "outputs" / f"{picture.file.removeprefix('test/')}.out"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**said, **SEEN, "threshold": 0.8, "model_version": "abc"}))
    card = ModelCard(
        classes, 64, 1.0, 0.8, 0.05, dataset.version, drawings=True, calibrated_on="out-of-fold",
        calibration={"images": 32, "error_upper95": 0.09, "coverage": 0.5},
    )  # fmt: skip
    save_model(made / "model", EfficientNetLite0(2), card)
    with tarfile.open(made / "model.tar.gz", "w:gz", compresslevel=1) as archive:
        for file in (made / "model").iterdir():
            archive.add(file, file.name)
    return made


@pytest.fixture
def evaluated(prepared: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """Return a place for the report, and the job's arguments, of files that a test may change."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (staged,) = (tmp_path / "data").iterdir()
    report = tmp_path / "processing" / "output" / "report"
    return report, [
        *("--outputs", str(tmp_path / "outputs"), "--model", str(tmp_path / "model.tar.gz")),
        *("--train", str(staged / "train"), "--validation", str(staged / "validation")),
        *("--test", str(staged / "test"), "--manifest", str(staged / "manifest.json")),
        *("--minimum-accuracy", "0.5", "--report", str(report), "--code-version", "c0de"),
    ]


def test_the_job_writes_what_the_workflow_the_smoke_test_and_people_read(
    evaluated: tuple[Path, list[str]],
) -> None:
    report, arguments = evaluated
    assert main(arguments) == 0
    gate = json.loads((report / "gate.json").read_text())
    evaluation = json.loads((report / "evaluation.json").read_text())
    assert gate["accepted"] is True
    assert gate["champion_accuracy"] is None
    assert set(evaluation["images"][0]) == {"file", "expected", "predicted", "confidence", "confident"}
    kinds = [each["kind"] for each in evaluation["robustness"]]
    assert kinds[0] == "none"
    assert set(kinds) == {"none", "blur", "noise", "darkness", "rotation", "JPEG", "downscaling"}
    page = (report / "report.html").read_text()
    assert (
        page.count("data:image/jpeg;base64,") == 2
    )  # the one mistake: the picture, and where the network looked
    assert "These are drawings" in page
    assert "on the 32 pictures of the calibration at most 9.0%" in page
    card = (report / "model_card.md").read_text()
    for fact in (
        "code version | c0de",
        "out-of-fold answers",
        "The threshold rests on 32 pictures",
        "Apache-2.0",
    ):
        assert fact in card


def test_another_archive_is_refused(
    evaluated: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    report, arguments = evaluated
    archive = Path(arguments[arguments.index("--model") + 1])
    archive.write_bytes(b"nothing")
    assert main(arguments) == 1
    assert "model.tar.gz is no serving archive" in capsys.readouterr().err
    assert not report.exists()


def test_weights_that_are_not_the_cards_are_refused(
    evaluated: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, arguments = evaluated
    save_model(tmp_path / "other", EfficientNetLite0(2), read_card(tmp_path / "model" / "model.json"))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "other" / "model.safetensors", "model.safetensors")
        archive.add(tmp_path / "model" / "model.json", "model.json")
    assert main(arguments) == 1
    assert "is not the file that model.json was written for" in capsys.readouterr().err


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _the_version_of_another_manifest(folder: Path) -> None:
    _change(next(folder.glob("data/*/manifest.json")), version="ffff")


def _a_manifest_of_other_data(folder: Path) -> None:
    path = next(folder.glob("data/*/manifest.json"))
    classes = [*json.loads(path.read_text())["classes"], "scooter"]
    pictures = ((each["file"], each["pixels"]) for each in json.loads(path.read_text())["images"])
    _change(path, classes=classes, version=version_of(classes, pictures))


def _swapped(folder: Path, split: str) -> None:
    one, other = (next(folder.glob(f"data/*/{split}/{name}/*")) for name in ("bicycle", "motorcycle"))
    one.write_bytes(other.read_bytes())


def _a_test_picture_of_other_content(folder: Path) -> None:
    _swapped(folder, "test")


def _a_train_picture_of_other_content(folder: Path) -> None:
    _swapped(folder, "train")


def _a_picture_that_is_not_listed(folder: Path) -> None:
    next(folder.glob("data/*/validation/bicycle")).joinpath("more.png").write_bytes(b"")


def _an_answer_less(folder: Path) -> None:
    next(folder.glob("outputs/*/*.out")).unlink()


def _an_answer_of_another_model(folder: Path) -> None:
    _change(next(folder.glob("outputs/*/*.out")), model_version="def")


def _an_answer_by_another_threshold(folder: Path) -> None:
    _change(next(folder.glob("outputs/*/*.out")), threshold=0.7)


def _answers_with(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for path in folder.glob("outputs/*/*.out"):
            _change(path, **changes)

    return spoil


def _the_archive_of_another_model(folder: Path) -> None:
    _change(folder / "model" / "model.json", model_version="def")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for file in (folder / "model").iterdir():
            archive.add(file, file.name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            _the_version_of_another_manifest,
            "manifest.json says that it is version ffff, and its pictures make",
        ),
        (_a_manifest_of_other_data, "The manifest is that of dataset"),
        (_a_test_picture_of_other_content, "is not the one that the manifest lists"),
        (_a_train_picture_of_other_content, "is not the one that the manifest lists"),
        (_a_picture_that_is_not_listed, "bicycle/more.png' is in the split, but not in the manifest"),
        (_an_answer_less, "The answers are not those of the whole test split"),
        (_an_answer_of_another_model, "The answers are of several models (abc, def)"),
        (_an_answer_by_another_threshold, "The answers are of several models (abc)"),
        (_answers_with(threshold=0.7), "The answers have the threshold 0.7, and the archive's is 0.8"),
        (
            _answers_with(**{"class": "unicorn"}),
            "An answer's class is 'unicorn', and the archive's are bicycle,",
        ),
        (_the_archive_of_another_model, "The answers are those of model abc, and the archive holds def"),
    ],
)
def test_what_does_not_belong_together_is_not_judged(
    evaluated: tuple[Path, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    report, arguments = evaluated
    spoil(tmp_path)
    assert main(arguments) == 1
    assert said in capsys.readouterr().err
    assert not (report / "gate.json").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: [made],
        lambda made: None,
        lambda made: {**made, "images": None},
        lambda made: {**made, "images": [*made["images"], {**made["images"][0], "file": "x"}]},
        lambda made: {**made, "images": [*made["images"], made["images"][0]]},
        lambda made: {**made, "images": [{**each, "split": "train"} for each in made["images"]]},
        lambda made: {**made, "images": [{**each, "group": None} for each in made["images"]]},
        lambda made: {**made, "rejects": None},
    ],
)
def test_what_is_no_manifest_is_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    classes, candidates = draw_candidates(("bicycle", "motorcycle"), 8, 0)
    made: Any = build_dataset("drawings", classes, candidates, log=lambda _: None)[0].manifest()
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(made))
    assert read_manifest(path) == read_manifest(tmp_path) == made
    path.write_text(json.dumps(spoil(made)))
    with pytest.raises(DatasetError, match=r"manifest.json is no manifest of a staged dataset"):
        read_manifest(path)


def test_the_card_counts_the_pictures_themselves(evaluated: tuple[Path, list[str]], tmp_path: Path) -> None:
    report, arguments = evaluated
    path = next(tmp_path.glob("data/*/manifest.json"))
    true = json.loads(path.read_text())["counts"]["bicycle"]
    _change(path, counts={"bicycle": {"train": 9999, "validation": 1, "test": 1}}, reviewed=5)
    assert main(arguments) == 0
    card = (report / "model_card.md").read_text()
    assert f"| bicycle | {true['train']} | {true['validation']} | {true['test']} |" in card
    assert "People classified" not in card


def test_reviewed_pictures_have_figures_of_their_own(
    evaluated: tuple[Path, list[str]], tmp_path: Path
) -> None:
    report, arguments = evaluated
    (manifest,) = (tmp_path / "data").rglob("manifest.json")
    content = json.loads(manifest.read_text())
    tested = [each for each in content["images"] if each["split"] == "test"]
    assert {each["origin"] for each in content["images"]} == {"source"}
    tested[0] |= {"origin": "reviewed", "original": "reviewed/bicycle/2026-11-25/d1"}
    tested[-1] |= {"origin": "reviewed", "original": "reviewed/motorcycle/2026-10-25/d2"}
    tested[1] |= {"origin": "reviewed", "original": "reviewed/bicycle/2025-10-25/d3"}
    manifest.write_text(json.dumps({**content, "reviewed": 3}))
    assert main([*arguments, "--champion", str(tmp_path / "outputs")]) == 0
    evaluation = json.loads((report / "evaluation.json").read_text())
    gate = json.loads((report / "gate.json").read_text())
    assert (evaluation["n"], evaluation["reviewed"]["n"]) == (len(tested) - 3, 2)
    assert len(evaluation["images"]) == len(tested)
    assert evaluation["reviewed"]["champion"]["accuracy"] == gate["reviewed"]["champion_accuracy"]
    assert gate["reviewed"]["n"] == 2
    # People saw them because a model was unsure: traffic that is surer would drift from them.
    compared = json.loads((report / "baseline.json").read_text())
    assert len(compared["embedding"]) == len(compared["predictions"]["class"]) == len(tested) - 3
    assert "of 2 recently reviewed test images right, not worse than its" in gate["reason"]
    card = (report / "model_card.md").read_text()
    assert "People classified 3 of these pictures" in card
    assert "accuracy on its recently reviewed pictures" in card
    assert "on 2 recently reviewed test pictures" in (report / "report.html").read_text()


def test_a_missed_target_is_called_one(evaluated: tuple[Path, list[str]]) -> None:
    report, arguments = evaluated
    assert main(arguments) == 0
    # One of eight routed is wrong, and one in twenty was tolerated.
    card = (report / "model_card.md").read_text()
    assert "It misses its target on the test split: 1 of " in card
    assert "too few" not in card


def test_the_card_says_how_a_model_was_made_and_not_where() -> None:
    made = ModelCard(
        ("bicycle", "motorcycle"), 64, 1.0, 0.8, 0.5, "v1",
        calibration={"images": 32, "error_upper95": 0.1003, "coverage": 0.5},
        hyperparameters={"checkpoint-dir": "/opt/ml/checkpoints", "epochs": "3", "folds": "2"},
    )  # fmt: skip
    bad = {"kind": "JPEG", "strength": 10.0, "unit": "quality", "accuracy": 0.5}
    said = [answer(number != 0, 0.95) for number in range(20)]
    figures = {
        **summarize(said), "routing": routing(said), "calibration": calibration(said), "reviewed": None, "reason": "",
        "robustness": [{"kind": "none", "accuracy": 0.95}, bad],
    }  # fmt: skip
    card = model_card(made, figures, {}, "c0de")
    assert "Hyperparameters: epochs 3, folds 2." in card
    assert "- JPEG (10 quality) costs it 45.0% of accuracy." in card
    assert "at 95 % at most 10.1% of what it routes is wrong" in card
    assert "the target was 0.25%" in model_card(replace(made, target_error=0.0025), figures, {}, "c0de")
    nothing = {"images": 32, "error_upper95": 1.0, "coverage": 0.0}
    card = model_card(replace(made, calibration=nothing), figures, {}, "c0de")
    assert (
        "- It routes nothing: on the 32 pictures that it was calibrated on, no threshold kept the target"
        in card
    )
    assert "of what it routes is wrong" not in card


def test_an_upper_bound_is_never_rounded_below_itself() -> None:
    assert [at_most(bound) for bound in (0.142472, 0.1424, 0.142, 1.0, None)] == [
        *("14.3%", "14.3%", "14.2%", "100.0%", "none"),
    ]


def test_the_interval_of_the_calibration_error_holds_it() -> None:
    found = calibration([answer(index % 8 != 0, 0.6 + 0.005 * (index % 79)) for index in range(75)])
    low, high = found["interval95"]
    assert 0 <= low <= found["error"] <= high


def test_the_job_fails_with_one_sentence_when_there_are_no_answers(
    evaluated: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    assert main([*evaluated[1], "--outputs", str(tmp_path / "none")]) == 1
    assert "There are no answers to evaluate" in capsys.readouterr().err.strip().splitlines()[-1]
