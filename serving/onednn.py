"""The network on a CPU, each convolution together with what follows it.

Run layer by layer, a convolution writes its result, and its ReLU6 or the residual's sum reads and writes it again; at
stride 2 its input is copied first, to be padded as SAME has it. oneDNN, which torch convolves with, does all of that
in one pass, and reads weights in an order of its own, which is made here once.

The operators are those that `torch.compile` has CPUs run. It cannot be used itself where there is no C compiler: see
`serving/kernels.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.network import Conv, EfficientNetLite0, InvertedResidual
from serving.fused import bias_of

RELU6: tuple[Any, ...] = ("hardtanh", [0.0, 6.0], None)
NOTHING: tuple[Any, ...] = ("none", [], None)


class _Convolution:
    """A convolution as SAME pads it, of inputs [n, c, size, size], and its ReLU6 or a sum."""

    def __init__(self, layer: Conv, size: int) -> None:
        operators, convolution = torch.ops.mkldnn, layer.conv
        stride, kernel = convolution.stride[0], convolution.kernel_size[0]
        weight = convolution.weight.detach()
        if stride == 2 and size % 2 == 0:
            # SAME pads one pixel less before the input than after it. With zeros before the kernel, which is then
            # one larger, the same padding on all sides gives the same sums.
            weight = F.pad(weight, (1, 0, 1, 0))
        shape = ([kernel // 2] * 2, [stride] * 2, [1, 1], convolution.groups)
        ordered = operators._reorder_convolution_weight(
            weight, *shape, [1, convolution.in_channels, size, size]
        )
        self._convolve = operators._convolution_pointwise
        self._of = (ordered, bias_of(convolution), *shape)
        self._then = RELU6 if hasattr(layer, "activation") else NOTHING
        self.size = -(-size // stride)
        """Of its outputs."""

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = self._convolve(x, *self._of, *self._then)
        return y

    def added(self, x: Tensor, to: Tensor) -> Tensor:
        """Convolve, and add that to another tensor."""
        y: Tensor = self._convolve.binary(x, to, *self._of, "add", 1.0, None, [], None)
        return y


class _Block(NamedTuple):
    """Expand, filter each channel, project."""

    expand: _Convolution | None
    depthwise: _Convolution
    project: _Convolution
    residual: bool

    def __call__(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x) if self.expand else x)
        return self.project.added(y, x) if self.residual else self.project(y)


class OneDnnNetwork:
    """
    An EfficientNet-Lite0 in float32 on a CPU; any thread may call it that has as many torch threads as this one.

    oneDNN chooses the weights' order by that number, too: a thread with another number would order them anew at each
    call, which can take longer than the network.

    Parameters
    ----------
    network
        The network; it is not changed.
    size
        Side of its input, in pixels.

    Raises
    ------
    AttributeError, RuntimeError, TypeError
        When this torch has no such operators.
    """

    def __init__(self, network: EfficientNetLite0, size: int) -> None:
        def made(layer: Conv) -> _Convolution:
            nonlocal size
            convolution = _Convolution(layer, size)
            size = convolution.size
            return convolution

        def block(layers: nn.Module) -> _Block:
            if not isinstance(layers, InvertedResidual):
                raise TypeError(f"{type(layers).__name__} is no block of this network.")
            expand = made(layers.expand) if isinstance(layers.expand, Conv) else None
            return _Block(expand, made(layers.depthwise), made(layers.project), layers.residual)

        with torch.inference_mode():
            self._stem = made(network.stem)
            self._blocks = [block(layers) for layers in network.blocks]
            self._top = made(network.top)

    def __call__(self, x: Tensor) -> Tensor:
        """Return pooled features [n, 1280] of normalised images, channels last, [n, 3, S, S]; in inference mode."""
        x = self._stem(x)
        for block in self._blocks:
            x = block(x)
        return self._top(x).mean(dim=(2, 3))
