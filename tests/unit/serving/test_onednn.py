"""The network by oneDNN's fused convolutions is the network, and where there are none it still runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from classifier.artifact import LoadedModel
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from serving import runners
from serving.images import UNMEASURED, Pixels
from serving.onednn import OneDnnNetwork

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
    reason="this torch is built without oneDNN",
)


@pytest.fixture
def network() -> EfficientNetLite0:
    torch.manual_seed(2)
    return EfficientNetLite0(2).eval()


@pytest.fixture
def model(network: EfficientNetLite0) -> LoadedModel:
    return LoadedModel(network, ModelCard(("a", "b"), 32, 1.5, 0.9, 0.01, "v1", model_version="run1"))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("size", [32, 33, 46, 64, 95, 160])
def test_features_are_those_of_the_network(network: EfficientNetLite0, size: int, count: int) -> None:
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    x = normalise(pixels.contiguous(memory_format=torch.channels_last))
    with torch.inference_mode():
        wanted, found = network.features(x), OneDnnNetwork(network, size)(x)
    assert wanted.std() > 0
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_it_runs_where_there_is_onednn(model: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = runners.runner(model, 2)
    assert isinstance(found, runners.CpuRunner)
    assert found.lanes == 2
    assert "oneDNN's fused convolutions: probabilities within 0.0000" in caplog.text
    assert "eagerly" not in caplog.text


def test_lanes_find_the_weights_in_their_order(
    network: EfficientNetLite0, capfd: pytest.CaptureFixture[str]
) -> None:
    """oneDNN orders weights by the number of threads; in another order, each call would begin with ordering them."""
    model = LoadedModel(network, ModelCard(("a", "b"), 160, 1.5, 0.9, 0.01, "v1", model_version="run1"))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = runners.runner(model, 2)
        with ThreadPoolExecutor(1, initializer=runners.settle_torch_threads) as lane:
            for count in found.shapes:
                lane.submit(
                    _traced, found, [Pixels(torch.zeros(3, 160, 160).byte(), UNMEASURED)] * count
                ).result()
    finally:
        torch.set_num_threads(threads)
    done = [line for line in capfd.readouterr().out.splitlines() if ",exec," in line]
    assert sum(",convolution," in line for line in done) == 49 * len(found.shapes)
    assert not [line for line in done if ",reorder," in line]


def _traced(runner: runners.Runner, images: list[Pixels]) -> None:
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):  # type: ignore[no-untyped-call]
        runner.predict(images)


def _missing(network: EfficientNetLite0, size: int) -> Callable[[Tensor], Tensor]:
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_convolution_pointwise'")


def _wrong(network: EfficientNetLite0, size: int) -> Callable[[Tensor], Tensor]:
    return lambda x: network.features(x).flip(1)


def _no_number(network: EfficientNetLite0, size: int) -> Callable[[Tensor], Tensor]:
    return lambda x: network.features(x) * torch.nan


@pytest.mark.parametrize(
    ("made", "why"),
    [(_missing, "cannot run here"), (_wrong, "would change probabilities by"), (_no_number, "by nan")],
)
def test_it_runs_layer_by_layer_when_that_is_amiss(
    model: LoadedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    made: Callable[..., object],
    why: str,
) -> None:
    torch.nn.init.normal_(model.network.head.weight, std=1.0)
    monkeypatch.setattr(runners, "OneDnnNetwork", made)
    found = runners.runner(model, 2)
    assert why in caplog.text
    assert "The model runs eagerly, in float32." in caplog.text
    assert runners.difference(model, found) < 1e-6
