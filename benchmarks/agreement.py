"""How far the engine's answers are those of the plain model, float32, one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmarks.models import split
from classifier.artifact import LoadedModel
from classifier.errors import ClassifierError
from classifier.preprocessing import normalise
from serving.engine import Engine

STIRRED = 0.1
"""Share of a picture's bytes that are one off in the last comparison: fewer than two good JPEG decoders differ by."""


def agreement(engine: Engine, model: LoadedModel, contents: list[bytes]) -> dict[str, tuple[float, float]]:
    """Return the share of same decisions, and the largest difference of a probability, to the plain model's.

    Once of the model alone, given what Pillow has decoded; once from the bytes, by whatever decodes them; and of the
    plain model itself, given pixels of which some are one off: how finely the model itself tells pictures apart.
    """

    def plain(pixels: Sequence[Tensor]) -> NDArray[np.float32]:
        return np.concatenate([model.predict(normalise(each)[None]).probabilities for each in pixels])

    def compared(found: ArrayLike) -> tuple[float, float]:
        same = np.argmax(found, axis=1) == wanted.argmax(axis=1)
        return float(same.mean()), float(np.abs(np.asarray(found) - wanted).max())

    def of_answers(answers: Sequence[dict[str, Any] | ClassifierError]) -> tuple[float, float]:
        found = []
        for answer in answers:
            if not isinstance(answer, dict):
                raise TypeError(f"The engine refused a photograph: {answer}")
            found.append([answer["probabilities"][name] for name in model.card.classes])
        return compared(found)

    pixels = [engine.decode(each) for each in contents]
    decoded = [each.tensor for each in pixels]
    wanted = plain(decoded)
    batches = engine.inference.map(engine.infer, split(pixels, engine.largest))
    chance = torch.Generator().manual_seed(0)
    return {
        "the model": of_answers([answer for batch in batches for answer in batch]),
        "bytes to answers": of_answers(engine.classify(contents)),
        f"float32 with one byte in {round(1 / STIRRED)} one off": compared(
            plain([stirred(each, chance) for each in decoded])
        ),
    }


def stirred(pixels: Tensor, chance: torch.Generator) -> Tensor:
    """Return uint8 pixels of which a share is one more or one less."""
    drawn = torch.rand(pixels.shape, generator=chance)
    step = (drawn < STIRRED / 2).int() - (drawn > 1 - STIRRED / 2).int()
    return (pixels.int() + step).clamp(0, 255).to(torch.uint8)
