"""Random views of a batch, made on whatever device it lies on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

ZOOM = (0.70, 1.05)  # share of the side that a crop keeps
STRETCH = 0.12  # logarithm of the side ratio
TURN = 0.2  # radians
CONTRAST = 0.3
BRIGHTNESS = 0.2
SATURATION = 0.4


@dataclass(frozen=True)
class Views:
    """
    What is to be done to each image of a batch.

    Parameters
    ----------
    transforms
        Affine transforms, shape [n, 2, 3].
    contrast, brightness, saturation
        Factors around 0, shape [n, 1, 1, 1].
    """

    transforms: Tensor
    contrast: Tensor
    brightness: Tensor
    saturation: Tensor

    def share(self, pick: Callable[[Tensor], Tensor]) -> "Views":
        """Return those of some of the images."""
        return Views(pick(self.transforms), pick(self.contrast), pick(self.brightness), pick(self.saturation))


def draw_views(n: int, strength: float, generator: torch.Generator) -> Views:
    """
    Draw at random how to crop, stretch, turn, mirror and recolour ``n`` images.

    Parameters
    ----------
    strength
        1 as tuned; the less, the nearer to the images as they are.
    generator
        Source of randomness, on the CPU, so that a seed means the same on every device.
    """

    def factor(spread: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, generator=generator) * 2.0 - 1.0) * spread * strength

    return Views(
        _transforms(n, strength, generator), factor(CONTRAST), factor(BRIGHTNESS), factor(SATURATION)
    )


def draw_share(mixup: float, generator: torch.Generator) -> float:
    """
    Draw how much of each image stays when a batch is mixed with itself, 0…1, after arXiv:1710.09412.

    Parameters
    ----------
    mixup
        Both parameters of the beta distribution; 0 mixes nothing.
    """
    if not mixup:
        return 1.0
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return float(np.random.default_rng(seed).beta(mixup, mixup))


def augment(x: Tensor, views: Views) -> Tensor:
    """Return the views of normalised images around -1…1, shape [n, 3, S, S]."""
    grid = F.affine_grid(views.transforms.to(x.device), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (1.0 + views.contrast.to(x.device)) + mean + views.brightness.to(x.device)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (1.0 + views.saturation.to(x.device))
    return x.clamp(-1.0, 1.0)


def _transforms(n: int, strength: float, generator: torch.Generator) -> Tensor:
    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    zoom = 1.0 + (uniform(*ZOOM) - 1.0) * strength
    stretch = (uniform(-STRETCH, STRETCH) * strength).exp()
    turn = uniform(-TURN, TURN) * strength
    room = (ZOOM[1] - zoom).clamp(min=0.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = mirror * zoom * stretch * turn.cos()
    theta[:, 0, 1] = -zoom * stretch * turn.sin()
    theta[:, 1, 0] = mirror * zoom / stretch * turn.sin()
    theta[:, 1, 1] = zoom / stretch * turn.cos()
    theta[:, 0, 2] = uniform(-1.0, 1.0) * room
    theta[:, 1, 2] = uniform(-1.0, 1.0) * room
    return theta
