"""Bytes in, calibrated answers out, without Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from classifier.artifact import load_model
from classifier.preprocessing import DecodedImage, Limits, decode_image

BATCH_SHAPES = (1, 2, 4, 8, 16, 32)
"""Batches are padded to one of these: torch prepares each shape once, at warm-up."""
Answer = dict[str, Any]


def padded(count: int) -> int:
    """Return the smallest prepared shape that holds `count` images."""
    return next((shape for shape in BATCH_SHAPES if shape >= count), BATCH_SHAPES[-1])


class Engine:
    """One model on the best device there is.

    Parameters
    ----------
    directory
        An unpacked model archive.
    limits
        What one image may weigh.

    Raises
    ------
    classifier.errors.ArtifactError
        When the archive's model cannot be used.
    """

    def __init__(self, directory: Path, limits: Limits | None = None) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        # Decoding runs beside it in threads of its own; more than the cores would fight over them.
        torch.set_num_threads(max(1, os.cpu_count() or 1))
        self._limits = limits or Limits()
        self._model = load_model(directory, device)
        card = json.loads((directory / "model.json").read_text())
        self._version = str(card.get("model_version") or "unversioned")

    @property
    def version(self) -> str:
        """The model's version."""
        return self._version

    def warm_up(self) -> None:
        """Run every prepared shape once, so that no request pays for it."""
        for shape in BATCH_SHAPES:
            self._model.warm_up(shape)

    def decode(self, content: bytes) -> DecodedImage:
        """Decode one image; any thread may.

        Raises
        ------
        classifier.errors.UnreadableImageError, classifier.errors.ImageTooLargeError
        """
        return decode_image(content, self._model.card.image_size, self._limits)

    def infer(self, images: Sequence[DecodedImage]) -> list[Answer]:
        """Answer decoded images, in order; one thread at a time."""
        answers: list[Answer] = []
        for start in range(0, len(images), BATCH_SHAPES[-1]):
            answers += self._infer(images[start : start + BATCH_SHAPES[-1]])
        return answers

    def _infer(self, images: Sequence[DecodedImage]) -> list[Answer]:
        batch = torch.stack([image.tensor for image in images])
        missing = padded(len(images)) - len(images)
        if missing:
            batch = torch.cat([batch, batch[:1].expand(missing, -1, -1, -1)])
        decisions = self._model.predict(batch).decisions(self._model.card)
        return [
            {
                "class": decision.label,
                "confidence": decision.confidence,
                "probabilities": decision.probabilities,
                "confident": decision.confident,
                "threshold": self._model.card.threshold,
                "model_version": self._version,
                "image": image.statistics.as_dict(),
                "embedding": decision.embedding,
            }
            for image, decision in zip(images, decisions, strict=False)
        ]
