"""Where a network looked: Grad-CAM (Selvaraju et al. 2017)."""

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.artifact import LoadedModel
from classifier.preprocessing import normalise

_BLOCK = 10
"""The last block at a sixteenth of the input's side: later ones have too few places to point at."""


def saliency(model: LoadedModel, pixels: Tensor) -> Tensor:
    """
    Return how much each place spoke for the predicted class, shape [S, S], 0…1.

    Parameters
    ----------
    pixels
        uint8, shape [3, S, S].
    """
    network = model.network
    x = normalise(pixels)[None].to(model.device)
    with torch.enable_grad():
        activations = network.blocks[: _BLOCK + 1](network.stem(x))
        activations.retain_grad()
        features = network.top(network.blocks[_BLOCK + 1 :](activations)).mean(dim=(2, 3))
        torch.autograd.backward(network.head(features).max())
    gradient = activations.grad
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    places = F.relu((weights * activations.detach()).sum(dim=1, keepdim=True))
    places = F.interpolate(places, size=pixels.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    network.zero_grad(set_to_none=True)
    return (places / places.max().clamp(min=1e-9)).cpu()


def overlay(pixels: Tensor, places: Tensor) -> Image.Image:
    """Return the image in grey with the places in orange."""
    grey = pixels.float().mean(dim=0, keepdim=True).expand(3, -1, -1) * 0.8
    orange = torch.tensor([255.0, 140.0, 0.0]).view(3, 1, 1)
    mixed = grey + (orange - grey) * places[None] * 0.7
    return Image.fromarray(mixed.clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy())
