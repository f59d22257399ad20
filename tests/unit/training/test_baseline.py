"""The baseline holds what the endpoint would have measured and answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.card import ModelCard
from classifier.preprocessing import decode_image
from training.drawings import draw
from training.errors import EvaluationError
from training.evaluation import baseline as module
from training.evaluation.answers import Answer
from training.evaluation.baseline import baseline

CARD = ModelCard(("bicycle", "motorcycle"), 64, 1.0, 0.8, 0.05, "d5", model_version="abc")


def answer(number: int) -> Answer:
    embedding = tuple(float(number * place) for place in range(8))
    return Answer(f"bicycle/{number}.png", "bicycle", "motorcycle", 0.9, True, 0.8, "abc", {}, embedding)


@pytest.fixture
def splits(tmp_path: Path) -> list[Path]:
    for split, count in (("train", 5), ("validation", 2)):
        (tmp_path / split / "bicycle").mkdir(parents=True)
        for number in range(count):
            draw("bicycle", 1, number).save(tmp_path / split / "bicycle" / f"{number}.png")
    return [tmp_path / "train", tmp_path / "validation"]


def test_inputs_are_measured_as_the_endpoint_measures_them(splits: list[Path]) -> None:
    found = baseline(CARD, [answer(1), answer(2)], splits)
    files = [path for split in splits for path in split.rglob("*.png")]
    served = [decode_image(path.read_bytes(), 64).statistics for path in files]
    assert sorted(found["inputs"]["redness"]) == sorted(each.redness for each in served)
    assert sorted(found["inputs"]["pixels"]) == sorted(each.width * each.height for each in served)
    assert {len(values) for values in found["inputs"].values()} == {7}


def test_answers_are_kept_with_the_moments_of_their_embedding(splits: list[Path]) -> None:
    found = baseline(CARD, [answer(number) for number in (1, 2, 3)], splits)
    assert (found["model_version"], found["dataset_version"], found["threshold"]) == ("abc", "d5", 0.8)
    assert found["predictions"]["class"] == ["motorcycle"] * 3
    assert found["predictions"]["confident"] == [True] * 3
    assert found["moments"]["mean"] == [2.0 * place for place in range(8)]
    assert found["moments"]["covariance"][1][7] == pytest.approx(7 * 2 / 3, abs=1e-5)


def test_a_baseline_is_a_bounded_sample_that_is_always_the_same(
    splits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    one = baseline(CARD, [answer(number) for number in range(9)], splits)
    two = baseline(CARD, [answer(number) for number in reversed(range(9))], splits[::-1])
    assert one["embedding"] == two["embedding"]
    assert len(one["embedding"]) == len(one["inputs"]["pixels"]) == len(one["predictions"]["class"]) == 3


def test_splits_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="hold no picture"):
        baseline(CARD, [answer(1)], [tmp_path])
