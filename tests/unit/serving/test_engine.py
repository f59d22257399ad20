"""The engine on a small untrained model."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.errors import ArtifactError, ClassifierError, ImageTooLargeError, UnreadableImageError
from classifier.network import EfficientNetLite0
from classifier.preprocessing import Limits
from serving.cuda import padded
from serving.engine import Answer, Engine
from serving.images import Photograph, Pixels
from tests.integration.workflow.pictures import UNUSABLE, USABLE

CARD = ModelCard(("a", "b"), 32, 1.5, 0.9, 0.01, "v1", model_version="run1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, EfficientNetLite0(2), CARD)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    engine = Engine(folder)
    engine.warm_up()
    yield engine
    engine.close()


def test_shapes_hold_what_they_must() -> None:
    assert [padded(count, (1, 2, 4, 8)) for count in (1, 2, 3, 5, 8, 9)] == [1, 2, 4, 8, 8, 8]


def test_an_answer_has_all_that_the_workflow_reads(engine: Engine) -> None:
    (answer,) = engine.classify([USABLE["plain.png"]])
    assert isinstance(answer, dict)
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert sorted(answer) == [
        "class",
        "confidence",
        "confident",
        "embedding",
        "image",
        "model_version",
        "probabilities",
        "temperature",
        "threshold",
    ]
    assert sorted(answer["image"]) == [
        "blueness",
        "brightness",
        "contrast",
        "format",
        "height",
        "mode",
        "redness",
        "saturation",
        "sharpness",
        "width",
    ]
    assert answer["model_version"] == "run1"
    assert (answer["threshold"], answer["temperature"]) == (0.9, 1.5)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["probabilities"][answer["class"]] == answer["confidence"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
    assert len(answer["embedding"]) == 8


def test_answers_are_the_same_when_the_batch_differs(engine: Engine) -> None:
    contents = list(USABLE.values()) * 2
    together = engine.classify(contents)
    assert len(together) == len(contents) > engine.largest
    for content, answer in zip(contents, together, strict=True):
        (alone,) = engine.classify([content])
        assert isinstance(alone, dict)
        assert isinstance(answer, dict)
        assert alone["class"] == answer["class"]
        assert alone["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-3)
        assert alone["embedding"] == pytest.approx(answer["embedding"], abs=1e-3)


def test_bad_images_fail_alone_when_others_are_good(engine: Engine) -> None:
    bad, good = UNUSABLE["corrupt.jpg"], USABLE["photo.jpg"]
    answers = engine.classify([good, bad, good, b""])
    assert [type(each) for each in answers] == [dict, UnreadableImageError, dict, UnreadableImageError]
    first, _, third, _ = answers
    assert isinstance(first, dict)
    assert isinstance(third, dict)
    assert first["class"] == third["class"]


def test_nothing_is_answered_when_every_image_is_bad(engine: Engine) -> None:
    assert [type(each) for each in engine.classify([b"text", b"text"])] == [UnreadableImageError] * 2
    assert engine.classify([]) == []


def test_an_image_is_too_large_when_a_limit_says_so(folder: Path) -> None:
    engine = Engine(folder, Limits(max_pixels=100))
    assert [type(each) for each in engine.classify([USABLE["plain.png"]])] == [ImageTooLargeError]
    engine.close()


def test_every_core_has_its_lane_and_no_thread_has_a_team(engine: Engine) -> None:
    assert engine.lanes == len(os.sched_getaffinity(0))
    for pool in (engine.decoders, engine.inference):
        assert set(pool.map(lambda _: torch.get_num_threads(), range(20))) == {1}
    names = [thread.name.partition("_")[0] for thread in threading.enumerate()]
    assert names.count("infer") == engine.lanes


def test_images_are_not_read_further_ahead_than_lanes_need(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 20 * engine.lanes * engine.largest
    read = itertools.count(1)
    late: list[bool] = []
    all_read = threading.Event()

    def infer(images: Sequence[Pixels | Photograph]) -> list[Answer | ClassifierError]:
        all_read.wait(0.02)  # in vain
        late.append(all_read.is_set())
        return [{} for _ in images]

    def decode(_: bytes) -> Pixels:
        if next(read) == count:
            all_read.set()
        return pixels

    pixels = engine.decode(USABLE["plain.png"])
    monkeypatch.setattr(engine, "infer", infer)
    monkeypatch.setattr(engine, "decode", decode)
    assert len(engine.classify([b""] * count)) == count
    # The last that are read may be, while every lane has a batch and one waits.
    assert late.count(True) <= engine.lanes + 3


def test_it_does_not_start_when_the_weights_are_missing(tmp_path: Path) -> None:
    CARD.write(tmp_path / "model.json")
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        Engine(tmp_path)


def test_it_does_not_start_when_the_card_is_broken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"model\.json"):
        Engine(tmp_path)


def test_warm_up_fails_when_the_weights_are_no_numbers(tmp_path: Path) -> None:
    network = EfficientNetLite0(2)
    torch.nn.init.constant_(network.head.bias, float("nan"))
    save_model(tmp_path, network, CARD)
    engine = Engine(tmp_path)
    with pytest.raises(ArtifactError, match="no numbers"):
        engine.warm_up()
    engine.close()
