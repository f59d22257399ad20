"""The network for GPUs, with its three kernels done by torch: what is left is how it takes the network apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.network import EfficientNetLite0, load_pretrained
from classifier.preprocessing import normalise
from serving.fused import SOURCE, FusedNetwork, same_padding
from stacks.archives import serving_members, weights_file


def by_torch(name: str, kernel: int, stride: int) -> Callable[..., None]:
    """Return what does the work of a kernel, from the same arguments."""

    def padded(x: Tensor, size: int) -> Tensor:
        rows, before = same_padding(size, kernel, stride)
        after = max((rows - 1) * stride + kernel - size, 0) - before
        return F.pad(x, (before, after, before, after))

    def write(y: Tensor, found: Tensor) -> None:
        y.copy_(F.relu6(found).permute(0, 2, 3, 1).reshape(y.shape))

    def stem(pixels: Tensor, weight: Tensor, bias: Tensor, y: Tensor, count: int, size: int, *_: int) -> None:
        assert pixels.shape[0] == count
        kernels = weight.t().view(-1, 3, 3, 3)
        write(y, F.conv2d(padded(normalise(pixels), size), kernels, bias, stride))

    def depthwise(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor, count: int, size: int, *_: int) -> None:
        channels = x.shape[1]
        image = x.float().clamp(max=6).view(count, size, size, channels).permute(0, 3, 1, 2)
        kernels = weight.t().view(channels, 1, kernel, kernel)
        write(y, F.conv2d(padded(image, size), kernels, bias, stride, groups=channels))

    def pool(x: Tensor, y: Tensor, count: int, pixels: int, _: int) -> None:
        y.copy_(x.float().clamp(max=6).view(count, pixels, -1).mean(1))

    run = {"stem": stem, "depthwise": depthwise, "pool": pool}[name]

    def start(grid: tuple[int, int, int], block: tuple[int, int, int], args: list[Tensor | int]) -> None:
        assert grid[0] * block[0] > 0
        run(*args)  # type: ignore[operator]

    return start


@pytest.mark.parametrize("size", [32, 75, 96])
def test_features_are_those_of_the_network(size: int) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0(2)
    load_pretrained(network, weights_file())
    fused = FusedNetwork(network.eval(), by_torch)
    coarse = torch.rand(3, 3, 6, 6) * 255
    pixels = F.interpolate(coarse, size, mode="bilinear").to(torch.uint8)
    with torch.inference_mode():
        wanted = network.features(normalise(pixels))
        found = fused(pixels)
        again = fused(pixels)
    assert found.dtype == torch.float32
    assert (found - wanted).norm() / wanted.norm() < 0.01
    assert torch.equal(found, again)


def test_kernels_travel_with_the_code() -> None:
    assert serving_members()["code/serving/fused.cu"] == SOURCE.read_bytes()
