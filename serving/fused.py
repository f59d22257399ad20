"""The network with few passes over a GPU's memory, which is what limits it.

Run layer by layer, each convolution writes its result, then its bias and its ReLU6 read and write it again. Here the
one-by-one convolutions are matrix products that end with bias and ReLU, and the depthwise ones a kernel of our own,
which reads what it needs once, and begins and ends with what is left of the ReLU6s. A block's result is kept
without its bias, which the next product's bias takes in, so that a residual is added by the product itself.

`torch.compile` would do some of it, and cannot run where there is no C compiler: see `serving/kernels.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from classifier.network import EfficientNetLite0, InvertedResidual
from serving.kernels import Kernel, compile_kernel, start

SOURCE = Path(__file__).with_name("fused.cu")
EIGHT = 8
"""Channels of one thread: 16 bytes, the most that it reads at once."""

Making = Callable[[str, int, int], Kernel]
"""Makes a kernel of its name, size and stride."""


class Depthwise(NamedTuple):
    """A depthwise convolution: weight [k * k, c] and bias [c], float32, and its kernel."""

    weight: Tensor
    bias: Tensor
    size: int
    stride: int
    kernel: Kernel


class Product(NamedTuple):
    """A one-by-one convolution that ends in ReLU6: a matrix [inputs, outputs] and a bias, half."""

    weight: Tensor
    bias: Tensor


class Block(NamedTuple):
    """Expand, filter each channel, project by a matrix [inputs, outputs], half, whose bias is kept back."""

    expand: Product | None
    depthwise: Depthwise
    project: Tensor
    residual: bool


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the output's size, and the padding before the first pixel, of TensorFlow's SAME."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2


def _outputs(kernel: int, stride: int) -> int:
    """Return how many outputs side by side a thread computes: they share what it reads."""
    return 4 if stride == 1 else 2


def compiled(name: str, kernel: int, stride: int) -> Kernel:
    """Compile one of the kernels, for convolutions of a size and a stride."""
    return compile_kernel(
        SOURCE, name, {"KERNEL": kernel, "STRIDE": stride, "WIDE": _outputs(kernel, stride)}
    )


class FusedNetwork:
    """
    An EfficientNet-Lite0 in half precision on a GPU, from bytes to features.

    Parameters
    ----------
    network
        The float32 network, on the device; it is not changed.
    kernels
        How kernels are made.

    Raises
    ------
    RuntimeError, OSError, AttributeError
        When its kernels cannot be compiled.
    """

    def __init__(self, network: EfficientNetLite0, kernels: Making = compiled) -> None:
        made: dict[tuple[str, int, int], Kernel] = {}

        def kernel(name: str, size: int = 3, stride: int = 2) -> Kernel:
            key = (name, size, stride)
            if key not in made:
                made[key] = kernels(*key)
            return made[key]

        self._stem, self._pool = kernel("stem"), kernel("pool")
        stem = network.stem.conv
        # [32, 3, 3, 3] to [3 * 3 * 3, 32]
        self._stem_weight = stem.weight.detach().float().flatten(1).t().contiguous()
        self._stem_bias = bias_of(stem)
        self._blocks: list[Block] = []
        missing: Tensor | None = None
        for block in network.blocks:
            made_block, missing = _block(block, missing, kernel)
            self._blocks.append(made_block)
        self._top = _product(network.top.conv, missing)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return pooled features, float32 [n, 1280], of uint8 images on the device, [n, 3, S, S]."""
        count, size = len(pixels), pixels.shape[-1]
        width = self._stem_weight.shape[1]
        rows, before = same_padding(size, 3, 2)
        x = pixels.new_empty((count * rows * rows, width), dtype=torch.half)
        weight, bias = self._stem_weight, self._stem_bias
        start(self._stem, (x.numel() // EIGHT, 1), pixels, weight, bias, x, count, size, rows, before)
        size = rows
        for block in self._blocks:
            y = _relu(x, block.expand) if block.expand else x
            y, rows = _filter(y, block.depthwise, count, size)
            if block.residual:
                x.addmm_(y, block.project)
            else:
                x = y @ block.project
            size = rows
        y = _relu(x, self._top)
        features = y.new_empty((count, y.shape[1]), dtype=torch.float32)
        start(
            self._pool, (features.numel() // EIGHT, 1), y, features, count, size * size, y.shape[1] // EIGHT
        )
        return features


def bias_of(convolution: nn.Conv2d) -> Tensor:
    """Return a convolution's bias, float32 [c]."""
    if convolution.bias is None:
        raise ValueError("The network's convolutions have biases, into which its normalisations were folded.")
    return convolution.bias.detach().float()


def _matrix(convolution: nn.Conv2d) -> Tensor:
    return convolution.weight.detach().float().flatten(1)


def _product(convolution: nn.Conv2d, missing: Tensor | None) -> Product:
    """Take a one-by-one convolution; its bias takes in what its input misses."""
    weight, bias = _matrix(convolution), bias_of(convolution)
    if missing is not None:
        bias = bias + weight @ missing
    return Product(weight.t().contiguous().half(), bias.half())


def _block(block: nn.Module, missing: Tensor | None, kernel: Making) -> tuple[Block, Tensor]:
    """Take one block, whose input misses a constant of each channel; return also what its result misses."""
    if not isinstance(block, InvertedResidual):
        raise TypeError(f"{type(block).__name__} is no block of this network.")
    convolution = block.depthwise.conv
    size, stride = convolution.kernel_size[0], convolution.stride[0]
    depthwise = Depthwise(
        convolution.weight.detach().float().flatten(1).t().contiguous(),
        bias_of(convolution),
        size,
        stride,
        kernel("depthwise", size, stride),
    )
    project = block.project.conv
    bias = bias_of(project)
    if block.residual and missing is not None:
        bias = bias + missing
    expand = None if isinstance(block.expand, nn.Identity) else _product(block.expand.conv, missing)
    return Block(expand, depthwise, _matrix(project).t().contiguous().half(), block.residual), bias


def _relu(x: Tensor, product: Product) -> Tensor:
    """Return the product with its bias and ReLU, in one pass; what reads it takes 6 where it is above."""
    found: Tensor = torch._addmm_activation(product.bias, x, product.weight)
    return found


def _filter(x: Tensor, depthwise: Depthwise, count: int, size: int) -> tuple[Tensor, int]:
    rows, before = same_padding(size, depthwise.size, depthwise.stride)
    channels = x.shape[1]
    groups = channels // EIGHT
    y = x.new_empty((count * rows * rows, channels))
    strips = -(-rows // _outputs(depthwise.size, depthwise.stride))
    threads = count * rows * strips * groups
    weight, bias = depthwise.weight, depthwise.bias
    start(depthwise.kernel, (threads, 1), x, weight, bias, y, count, size, groups, rows, before)
    return y, rows
