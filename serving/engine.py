"""Bytes in, calibrated answers out, without Ray."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from classifier.artifact import load_model
from classifier.errors import ArtifactError, ClassifierError
from classifier.image_statistics import ImageStatistics
from classifier.memory import keep_freed_memory
from classifier.preprocessing import Limits, decode_pixels
from serving.runners import runner

MAX_DECODERS = 16
Answer = dict[str, Any]


class Pixels(NamedTuple):
    """A decoded image: uint8 tensor [3, S, S], normalised only as part of its batch, and its statistics."""

    tensor: torch.Tensor
    statistics: ImageStatistics


def _settle_torch_threads() -> None:
    """Give the calling thread a single torch thread for good."""
    torch.set_num_threads(1)
    # Until a thread has asked, it would take over what another one sets later.
    torch.get_num_threads()


class Engine:
    """One model on the best device there is.

    Decoding has threads of its own, one to a core, and the model one to a lane of its runner. None of them has more
    than one torch thread: otherwise each would bring an OpenMP team, and all would fight.

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
        keep_freed_memory()
        self._limits = limits or Limits()
        model = load_model(directory, device)
        self._card = model.card
        self._runner = runner(model, cores)
        self.version = self._card.model_version or "unversioned"
        self.lanes, self.largest = self._runner.lanes, self._runner.shapes[-1]
        decoders = min(MAX_DECODERS, max(2, cores))
        self.busy = self.lanes * self.largest + decoders
        """Images that keep every thread at work: a batch in each lane, and those being decoded."""
        self.decoders = ThreadPoolExecutor(decoders, "decode", _settle_torch_threads)
        self.inference = ThreadPoolExecutor(self.lanes, "infer", _settle_torch_threads)

    def warm_up(self) -> float:
        """Run every prepared shape in every lane, so that no request pays for it; return the seconds per image.

        They are those of photographs of 640 by 480 pixels while the whole machine is at work.

        Raises
        ------
        classifier.errors.ArtifactError
            When the model answers something that is no number.
        """
        together = threading.Barrier(self.lanes)  # or one lane's thread could take another's turn

        def turn(shape: int) -> None:
            together.wait()
            self._try(shape)

        for shape in self._runner.shapes:
            for done in [self.inference.submit(turn, shape) for _ in range(self.lanes)]:
                done.result()
        photographs = [_photograph()] * (2 * self.busy)
        started = time.perf_counter()
        self.classify(photographs)
        return (time.perf_counter() - started) / len(photographs)

    def check(self) -> None:
        """Run one image through the model, and raise what that raises; in a thread of `inference`."""
        self._try(1)

    def _try(self, shape: int) -> None:
        grey = torch.full((3, self._card.image_size, self._card.image_size), 128, dtype=torch.uint8)
        if not np.isfinite(self._runner.predict([grey] * shape).probabilities).all():
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
        batches = [good[start : start + self.largest] for start in range(0, len(good), self.largest)]
        answers = iter([answer for batch in self.inference.map(self.infer, batches) for answer in batch])
        return [next(answers) if isinstance(each, Pixels) else each for each in found]

    def decode(self, content: bytes) -> Pixels:
        """Decode one image; any thread may.

        Raises
        ------
        classifier.errors.UnreadableImageError, classifier.errors.ImageTooLargeError
        """
        return Pixels(*decode_pixels(content, self._card.image_size, self._limits))

    def infer(self, images: Sequence[Pixels]) -> list[Answer]:
        """Answer at most `largest` decoded images, in order; in a thread of `inference`."""
        decisions = self._runner.predict([image.tensor for image in images]).decisions(self._card)
        return [
            {
                "class": decision.label,
                "confidence": decision.confidence,
                "probabilities": decision.probabilities,
                "confident": decision.confident,
                "threshold": self._card.threshold,
                "model_version": self.version,
                "image": image.statistics.as_dict(),
                "embedding": decision.embedding,
            }
            for image, decision in zip(images, decisions, strict=True)
        ]

    def close(self) -> None:
        """End the threads."""
        self.decoders.shutdown(cancel_futures=True)
        self.inference.shutdown(cancel_futures=True)


def _photograph() -> bytes:
    """Return a JPEG of 640 by 480 pixels, as busy as a photograph."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
