"""Random views of a batch, made on whatever device it lies on."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

ZOOM = (0.70, 1.05)  # share of the side that a crop keeps
STRETCH = 0.12  # logarithm of the side ratio
TURN = 0.2  # radians
CONTRAST = 0.3
BRIGHTNESS = 0.2
SATURATION = 0.4


def augment(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """
    Crop, stretch, turn, mirror and recolour each image at random.

    Parameters
    ----------
    x
        Normalised images around -1…1, shape [n, 3, S, S].
    strength
        1 as tuned, 0 leaves the images as they are.
    generator
        Source of randomness, on the CPU, so that a seed means the same on every device.
    """
    if strength == 0.0:
        return x
    theta = _transforms(x.shape[0], strength, generator).to(x.device)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return _recolour(x, strength, generator)


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


def _recolour(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    def factor(spread: float) -> Tensor:
        values = (torch.rand(x.shape[0], 1, 1, 1, generator=generator) * 2.0 - 1.0) * spread * strength
        return values.to(x.device)

    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (1.0 + factor(CONTRAST)) + mean + factor(BRIGHTNESS)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (1.0 + factor(SATURATION))
    return x.clamp(-1.0, 1.0)
