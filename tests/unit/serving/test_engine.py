"""The engine on a small untrained model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.errors import ArtifactError, UnreadableImageError
from classifier.network import EfficientNetLite0
from serving.engine import BATCH_SHAPES, Engine, padded
from tests.integration.workflow.pictures import USABLE


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard(("a", "b"), 32, 1.5, 0.9, 0.01, "v1", model_version="run1")
    save_model(folder, EfficientNetLite0(2), card)
    return Engine(folder)


def test_shapes_hold_what_they_must() -> None:
    assert [padded(count) for count in (1, 2, 3, 5, 17, 32)] == [1, 2, 4, 8, 32, 32]


def test_an_answer_has_all_that_the_workflow_reads(engine: Engine) -> None:
    (answer,) = engine.infer([engine.decode(USABLE["plain.png"])])
    assert set(answer) == {
        *(
            "class",
            "confidence",
            "probabilities",
            "confident",
            "threshold",
            "model_version",
            "image",
            "embedding",
        )
    }
    assert answer["model_version"] == "run1"
    assert answer["threshold"] == 0.9
    assert answer["class"] in answer["probabilities"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
    assert len(answer["embedding"]) == 8


def test_answers_do_not_depend_on_the_batch(engine: Engine) -> None:
    images = [engine.decode(content) for content in USABLE.values()] * 4
    together = engine.infer(images)
    assert len(together) == len(images) > BATCH_SHAPES[-1]
    for image, answer in zip(images[:3], together, strict=False):
        (alone,) = engine.infer([image])
        assert alone["class"] == answer["class"]
        assert alone["confidence"] == pytest.approx(answer["confidence"], abs=1e-3)


def test_a_bad_image_is_refused_at_decoding(engine: Engine) -> None:
    with pytest.raises(UnreadableImageError):
        engine.decode(b"not an image")


def test_an_archive_without_weights_does_not_start(tmp_path: Path) -> None:
    ModelCard(("a", "b"), 32, 1.0, 0.9, 0.01, "v1").write(tmp_path / "model.json")
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        Engine(tmp_path)
