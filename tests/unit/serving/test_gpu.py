"""The serving engine on an NVIDIA GPU: against Pillow, and against float64."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.errors import UnreadableImageError
from classifier.image_statistics import MEASURES
from classifier.network import EfficientNetLite0, load_pretrained
from classifier.preprocessing import decode_pixels, normalise
from serving.cuda import CudaRunner
from serving.engine import Engine
from serving.fused import FusedNetwork
from serving.images import Photograph, Pixels, Shot
from stacks.archives import weights_file
from tests.integration.workflow.pictures import USABLE
from tests.unit.serving.photographs import PLAIN, jpeg, scene

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

SIZE = 224
CARD = ModelCard(("a", "b"), SIZE, 1.0, 0.9, 0.01, "v1", model_version="run1")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    torch.manual_seed(1)
    network = EfficientNetLite0(2)
    load_pretrained(network, weights_file())
    save_model(folder := tmp_path_factory.mktemp("model"), network, CARD)
    engine = Engine(folder)
    engine.warm_up()
    yield engine
    engine.close()


@pytest.mark.parametrize("size", [96, 160, 224, 225])
def test_fused_kernels_are_the_network(size: int) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0(2)
    load_pretrained(network, weights_file())
    network.eval().cuda()
    pixels = torch.nn.functional.interpolate(torch.rand(5, 3, 8, 8) * 255, size, mode="bilinear")
    pixels = pixels.to(torch.uint8).cuda()
    with torch.inference_mode():
        found = FusedNetwork(network)(pixels)
        wanted = network.double().features(normalise(pixels).double())
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


def test_the_engine_runs_graphs_and_takes_photographs(engine: Engine) -> None:
    assert isinstance(engine.runner, CudaRunner)
    assert isinstance(engine.runner._features, FusedNetwork)
    assert engine.runner.takes_photographs


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_photograph_is_what_pillow_makes_of_it(engine: Engine, name: str) -> None:
    photo = engine.header(PLAIN[name])
    assert isinstance(photo, Photograph)
    runner = engine.runner
    assert isinstance(runner, CudaRunner)
    wanted, statistics = decode_pixels(PLAIN[name], SIZE)
    (shot,) = runner.decode([photo])
    assert shot is not None
    assert shot.pixels.shape == (3, photo.height, photo.width)
    predicted = runner.predict([shot])
    found = runner._lane().slots[1].pixels[0].cpu().int()
    difference = (found - wanted.int()).abs().float()
    assert difference.mean() < 1.0
    assert difference.quantile(0.999) <= 8
    for measure in MEASURES:
        own, theirs = (getattr(each, measure) for each in (predicted.statistics[0], statistics))
        assert own == pytest.approx(theirs, abs=0.002), measure
    for fact in ("width", "height", "format", "mode"):
        assert getattr(predicted.statistics[0], fact) == getattr(statistics, fact)
    by_pillow = runner.predict([Pixels(wanted.pin_memory(), statistics)])
    assert np.abs(by_pillow.predictions.probabilities - predicted.predictions.probabilities).max() < 0.01


def test_a_batch_of_all_kinds_is_answered_in_order(engine: Engine) -> None:
    contents = [each for pair in zip(USABLE.values(), PLAIN.values(), strict=False) for each in pair] * 5
    together = engine.classify(contents)
    for content, answer in zip(contents, together, strict=True):
        (alone,) = engine.classify([content])
        assert isinstance(answer, dict)
        assert isinstance(alone, dict)
        assert answer["image"] == alone["image"]
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=0.005)


@pytest.mark.parametrize("decoded", [False, True])
def test_lanes_do_not_mix_their_answers(engine: Engine, decoded: bool) -> None:
    pictures = [scene((640 + 4 * each, 480)).rotate(10 * each) for each in range(36)]
    contents = [jpeg(each) for each in pictures]
    images = [engine.decode(each) if decoded else engine.header(each) or b"" for each in contents]

    def embeddings(batch: Sequence[Any]) -> list[list[float]]:
        return [answer["embedding"] for answer in engine.infer(batch) if isinstance(answer, dict)]

    alone = np.concatenate(list(engine.inference.map(embeddings, [[each] for each in images])))
    assert min(np.abs(one - other).max() for one, other in itertools.combinations(alone, 2)) > 0.1
    order = np.random.default_rng(0).integers(0, len(images), (60, engine.largest))
    batches = engine.inference.map(embeddings, [[images[each] for each in batch] for batch in order])
    for batch, found in zip(order, batches, strict=True):
        assert np.abs(found - alone[batch]).max() < 0.05


def test_a_damaged_photograph_gets_what_pillow_says_of_it(engine: Engine) -> None:
    good = PLAIN["plain"]
    with Image.open(io.BytesIO(good)) as image:
        assert image.size == (640, 480)
    start = good.index(b"\xff\xda") + 20
    damaged = {
        "no table": good.replace(b"\xff\xc4", b"\xff\xc5"),
        "cut": good[: len(good) // 2] + b"\xff\xd9",
        "noise": good[:start] + np.random.default_rng(0).bytes(len(good) - start - 2) + b"\xff\xd9",
        "zeros": good[:start] + bytes(len(good) - start - 2) + b"\xff\xd9",
    }
    for name, content in damaged.items():
        try:
            decode_pixels(content, SIZE)
            wanted: type = dict
        except UnreadableImageError:
            wanted = UnreadableImageError
        answers = engine.classify([good, content, good])
        assert isinstance(answers[0], dict)
        assert isinstance(answers[2], dict)
        assert type(answers[1]) is wanted, name


def test_shots_are_of_the_device(engine: Engine) -> None:
    (shot,) = engine.runner.decode([engine.header(PLAIN["grey"])])  # type: ignore[list-item]
    assert isinstance(shot, Shot)
    assert shot.pixels.is_cuda
