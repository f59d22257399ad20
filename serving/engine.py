"""Bytes in, calibrated answers out, without Ray."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from classifier.artifact import load_model
from classifier.errors import ArtifactError, ClassifierError
from classifier.image_statistics import ImageStatistics
from classifier.preprocessing import Limits, decode_pixels, normalise

CPU_SHAPES = (1, 2, 4, 8)
"""Batches are padded to one of these, which torch prepares at warm-up. On a CPU the images per second stop
growing at eight: beyond it the activations leave the caches."""
GPU_SHAPES = (1, 2, 4, 8, 16, 32, 64)
MAX_DECODERS = 16
Answer = dict[str, Any]


class Pixels(NamedTuple):
    """A decoded image: uint8 tensor [3, S, S], normalised only as part of its batch, and its statistics."""

    tensor: torch.Tensor
    statistics: ImageStatistics


def padded(count: int, shapes: Sequence[int]) -> int:
    """Return the smallest of the prepared shapes that holds `count` images, else the largest."""
    return next((shape for shape in shapes if shape >= count), shapes[-1])


def _settle_torch_threads(count: int) -> None:
    """Give the calling thread its number of torch threads for good."""
    torch.set_num_threads(count)
    # Until a thread has asked, it would take over what another one sets later.
    torch.get_num_threads()


class Engine:
    """One model on the best device there is.

    Decoding has threads of its own, one to a core, each with a single torch thread; the model has one thread,
    whose torch threads are the cores. Otherwise every decoder would bring an OpenMP team and all would fight.

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
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.shapes = GPU_SHAPES if device == "cuda" else CPU_SHAPES
        self._limits = limits or Limits()
        self._model = load_model(directory, device)
        self.version = self._model.card.model_version or "unversioned"
        self.decoders = ThreadPoolExecutor(
            min(MAX_DECODERS, max(2, cores)), "decode", _settle_torch_threads, (1,)
        )
        self.inference = ThreadPoolExecutor(1, "infer", _settle_torch_threads, (cores,))

    def warm_up(self) -> None:
        """Run every prepared shape once, so that no request pays for it.

        Raises
        ------
        classifier.errors.ArtifactError
            When the model answers something that is no number.
        """
        for shape in self.shapes:
            self.inference.submit(self._try, shape).result()

    def check(self) -> None:
        """Run one image through the model, and raise what that raises; in the inference thread."""
        self._try(self.shapes[0])

    def _try(self, shape: int) -> None:
        size = self._model.card.image_size
        grey = torch.full((shape, 3, size, size), 128, dtype=torch.uint8)
        if not np.isfinite(self._model.predict(normalise(grey)).probabilities).all():
            raise ArtifactError("The model answers no numbers: its weights are damaged, train again.")

    def classify(self, contents: Sequence[bytes]) -> list[Answer | ClassifierError]:
        """Answer encoded images, in order; a bad one gets its error, and the others their answer."""

        def attempt(content: bytes) -> Pixels | ClassifierError:
            try:
                return self.decode(content)
            except ClassifierError as error:
                return error

        found = list(self.decoders.map(attempt, contents))
        good = [each for each in found if isinstance(each, Pixels)]
        answers = iter(self.inference.submit(self.infer, good).result())
        return [next(answers) if isinstance(each, Pixels) else each for each in found]

    def decode(self, content: bytes) -> Pixels:
        """Decode one image; any thread may.

        Raises
        ------
        classifier.errors.UnreadableImageError, classifier.errors.ImageTooLargeError
        """
        return Pixels(*decode_pixels(content, self._model.card.image_size, self._limits))

    def infer(self, images: Sequence[Pixels]) -> list[Answer]:
        """Answer decoded images, in order; in the inference thread."""
        answers: list[Answer] = []
        for start in range(0, len(images), self.shapes[-1]):
            answers += self._infer(images[start : start + self.shapes[-1]])
        return answers

    def close(self) -> None:
        """End the threads."""
        self.decoders.shutdown(cancel_futures=True)
        self.inference.shutdown(cancel_futures=True)

    def _infer(self, images: Sequence[Pixels]) -> list[Answer]:
        batch = torch.stack([image.tensor for image in images])
        missing = padded(len(images), self.shapes) - len(images)
        if missing:
            batch = torch.cat([batch, batch[:1].expand(missing, -1, -1, -1)])
        # Moved as bytes and normalised on the device: a quarter of the copy.
        predictions = self._model.predict(normalise(batch.to(self._model.device)))
        decisions = predictions.decisions(self._model.card)
        return [
            {
                "class": decision.label,
                "confidence": decision.confidence,
                "probabilities": decision.probabilities,
                "confident": decision.confident,
                "threshold": self._model.card.threshold,
                "model_version": self.version,
                "image": image.statistics.as_dict(),
                "embedding": decision.embedding,
            }
            for image, decision in zip(images, decisions, strict=False)
        ]
