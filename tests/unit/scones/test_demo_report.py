from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from scones.classification import Decision
from scones.demo.charts import curve
from scones.demo.report import build, data_uri, verdict, write
from scones.demo.results import Held, Model, confusion, totals

SECONDS = {"setup": 1.0, "deploy": 2.0, "train": 3.04, "classify": 4.0, "destroy": 5.0, "total": 14.0}


def decision(name: str, outcome: str, predicted: str | None, route: str | None = None) -> Decision:
    return Decision(name, f"s3://inbound/{name}", "v", outcome, predicted, 0.9, route)


DECISIONS = [
    decision("a.png", "routed", "bicycle", "near"),
    decision("b.png", "routed", "bicycle", "near"),
    decision("c.png", "review", "motorcycle"),
    decision("d.png", "rejected", None),
]
EXPECTED = ["bicycle", "motorcycle", "motorcycle", "motorcycle"]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    held = []
    for each, name in zip(DECISIONS, EXPECTED, strict=True):
        path = tmp_path / "pictures" / name / each.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(path)
        held.append(Held(path, name))
    return Model(
        {"run": "abc", "dataset_version": "v" * 64},
        {
            "source": "drawings",
            "drawings": True,
            "classes": {n: {"train": 8, "validation": 1, "test": 2} for n in ("bicycle", "motorcycle")},
        },
        {"epochs": [{"epoch": 1, "train_loss": 0.5, "validation_loss": 0.4, "validation_accuracy": 0.9}]},
        held,
    )


def test_shares_are_right_when_outcomes_are_mixed() -> None:
    assert totals(DECISIONS, EXPECTED) == {"accuracy": 0.5, "coverage": 0.5, "accuracy_when_routed": 0.5}
    assert totals(DECISIONS[2:], EXPECTED[2:])["accuracy_when_routed"] is None
    assert confusion(DECISIONS, EXPECTED, ["bicycle", "motorcycle"]) == [[1, 0], [1, 1]]


def test_the_report_has_every_promised_member_when_built(model: Model) -> None:
    built = build(
        classifier="vehicles", model=model, decisions=DECISIONS, seconds=SECONDS, leftovers=[], denied=[]
    )
    assert set(built["data"]) >= {"source", "drawings", "classes", "counts"}
    assert set(built["images"][0]) >= {"key", "expected", "predicted", "confidence", "outcome", "route"}
    assert set(built["seconds"]) == {"setup", "deploy", "train", "classify", "destroy", "total"}
    assert {"accuracy", "coverage", "accuracy_when_routed"} <= set(built)
    assert built["leftovers"] == built["denied"] == []


def test_both_files_are_whole_when_written(model: Model, tmp_path: Path) -> None:
    built = build(
        classifier="<b>vehicles", model=model, decisions=DECISIONS, seconds=SECONDS, leftovers=[], denied=[]
    )
    write(built, tmp_path / "pictures", tmp_path / "run", tmp_path / "latest")
    assert json.loads((tmp_path / "latest" / "report.json").read_text())["accuracy"] == 0.5
    assert sorted(each.name for each in (tmp_path / "latest").iterdir()) == ["report.html", "report.json"]
    page = (tmp_path / "latest" / "report.html").read_text()
    assert "These are drawings" in page
    assert "&lt;b&gt;vehicles" in page
    assert page.count("<figure") == len(DECISIONS)
    for outside in ("http://", "https://", "<script", "<link"):
        assert outside not in page
    HTMLParser().feed(page)


def test_a_picture_is_sorted_by_its_decision() -> None:
    def sort(**image: str | None) -> str:
        return verdict({"expected": "bicycle", **image})

    assert sort(outcome="routed", predicted="bicycle") == "correct"
    assert sort(outcome="routed", predicted="van") == "wrong"
    assert sort(outcome="review", predicted="van") == "unsure"
    assert sort(outcome="rejected", predicted=None) == "wrong"


def test_a_broken_picture_leaves_a_hole_when_shown(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no")
    assert data_uri(tmp_path / "x.png") == "data:,"


def test_a_large_picture_is_shrunk_when_shown(tmp_path: Path) -> None:
    Image.effect_noise((2000, 1000), 80).save(tmp_path / "x.png")
    assert len(data_uri(tmp_path / "x.png")) < 20_000


def test_there_is_no_curve_when_there_are_no_epochs() -> None:
    assert curve([]) is None


def test_the_curve_stays_in_its_frame_when_values_are_extreme() -> None:
    drawn = curve([{"train_loss": 0.0, "validation_accuracy": 1.0}, {"train_loss": 9.0}])
    assert drawn is not None
    for line in drawn.lines:
        for x, y in line.points:
            assert drawn.left <= x <= drawn.right
            assert 0 <= y <= drawn.bottom
