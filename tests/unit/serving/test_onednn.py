"""The network by oneDNN's fused convolutions is the network, and where there are none it still runs."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from classifier.artifact import LoadedModel
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from serving import runners
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
