"""How a model bears pictures that are worse than those it was tested on."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter

from classifier.artifact import LoadedModel
from classifier.preprocessing import normalise, open_rgb, resized

MOST_PICTURES = 200
"""More would cost the job more than they tell."""
_BATCH = 32
_SEED = 20_260_102


@dataclass(frozen=True)
class Corruption:
    """
    One way in which a picture can be bad.

    Parameters
    ----------
    kind, strength
        What it is, and how much of it, in ``unit``.
    apply
        Does it to an RGB image of any size.
    """

    kind: str
    strength: float
    unit: str
    apply: Callable[[Image.Image], Image.Image]


def _blur(share: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.filter(ImageFilter.GaussianBlur(share * max(image.size)))


def _noise(deviation: float) -> Callable[[Image.Image], Image.Image]:
    def apply(image: Image.Image) -> Image.Image:
        # Seeded anew for each picture: a figure must not depend on how many came before.
        noise = np.random.default_rng(_SEED).normal(0.0, 255.0 * deviation, (image.height, image.width, 3))
        noisy = np.clip(np.asarray(image, dtype=np.float64) + noise, 0.0, 255.0)
        return Image.fromarray(noisy.round().astype(np.uint8))

    return apply


def brightened(factor: float) -> Callable[[Image.Image], Image.Image]:
    """Return what multiplies the brightness."""
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def _turned(degrees: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))


def compressed(quality: float) -> Callable[[Image.Image], Image.Image]:
    """Return what saves as JPEG and reads again."""

    def apply(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(quality))
        with Image.open(buffer) as opened:
            return opened.convert("RGB")

    return apply


def _shrunk(share: float) -> Callable[[Image.Image], Image.Image]:
    def apply(image: Image.Image) -> Image.Image:
        width, height = (max(1, round(side * share)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BOX)

    return apply


CORRUPTIONS = tuple(
    Corruption(kind, strength, unit, make(strength))
    for kind, unit, make, strengths in (
        ("blur", "of the longer side", _blur, (0.02, 0.05)),
        ("noise", "of the range", _noise, (0.05, 0.15)),
        ("darkness", "of the light left", brightened, (0.5, 0.2)),
        ("rotation", "degrees", _turned, (15.0, 45.0)),
        ("JPEG", "quality", compressed, (30.0, 10.0)),
        ("downscaling", "of the side left", _shrunk, (0.5, 0.25)),
    )
    for strength in strengths
)


def robustness(
    model: LoadedModel, pictures: Sequence[tuple[bytes, str]], corruptions: Sequence[Corruption] = CORRUPTIONS
) -> list[dict[str, object]]:
    """
    Classify pictures as they are and under each corruption.

    Parameters
    ----------
    pictures
        Files' bytes with their classes.

    Returns
    -------
    list of dict
        `kind`, `strength`, `unit`, `n`, `accuracy`, `coverage` and `wrong_when_routed`; the first is of the
        pictures as they are.
    """
    images = [open_rgb(data)[0] for data, _ in pictures]
    expected = [label for _, label in pictures]
    same = Corruption("none", 0.0, "", lambda image: image)
    return [_under(model, each, images, expected) for each in (same, *corruptions)]


def _under(
    model: LoadedModel, corruption: Corruption, images: Sequence[Image.Image], expected: Sequence[str]
) -> dict[str, object]:
    size = model.card.image_size
    decisions = []
    for start in range(0, len(images), _BATCH):
        pixels = [resized(corruption.apply(image), size) for image in images[start : start + _BATCH]]
        decisions += model.predict(normalise(torch.stack(pixels))).decisions(model.card)
    right = [decision.label == label for decision, label in zip(decisions, expected, strict=True)]
    routed = [r for r, decision in zip(right, decisions, strict=True) if decision.confident]
    return {
        "kind": corruption.kind,
        "strength": corruption.strength,
        "unit": corruption.unit,
        "n": len(images),
        "accuracy": sum(right) / len(right),
        "coverage": len(routed) / len(right),
        "wrong_when_routed": 1.0 - sum(routed) / len(routed) if routed else None,
    }
