"""Bytes in, calibrated answers out, without Ray."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from classifier.artifact import load_model
from classifier.errors import ArtifactError, ClassifierError
from classifier.memory import keep_freed_memory
from classifier.preprocessing import Limits, decode_pixels
from serving.cuda import take_all_queues
from serving.headers import photograph
from serving.images import Photograph, Pixels, Shot, example
from serving.runners import runner, settle_torch_threads

MAX_DECODERS = 4
"""More threads of one process hinder each other in Pillow: on 16 cores, 4 decoded 645 photographs a second, 16 only
493."""
WARM_UP_ROUNDS = 3
Answer = dict[str, Any]
Decoded = TypeVar("Decoded")


class Engine:
    """One model on the best device there is.

    Decoding has threads of its own, one to a core but two to four, and the model one to a lane of its runner. None of
    them has more than one torch thread: otherwise each would bring an OpenMP team, and all would fight.

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
        take_all_queues()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        keep_freed_memory()
        self._limits = limits or Limits()
        model = load_model(directory, device)
        self._card = model.card
        self.runner = runner(model, cores)
        self.version = self._card.model_version or "unversioned"
        self.lanes, self.largest, self.linear = self.runner.lanes, self.runner.shapes[-1], self.runner.linear
        decoders = min(MAX_DECODERS, max(2, cores))
        self.busy = self.lanes * self.largest + decoders
        """Images that keep every thread at work: a batch in each lane, and those being decoded."""
        self.decoders = ThreadPoolExecutor(decoders, "decode", settle_torch_threads)
        self.inference = ThreadPoolExecutor(self.lanes, "infer", settle_torch_threads)

    def warm_up(self) -> float:
        """Run every prepared shape in every lane, so that no request pays for it; return the seconds per image.

        They are those of photographs of 640 by 480 pixels while the whole machine is at work; the least of some
        rounds, since what else starts takes from the others.

        Raises
        ------
        classifier.errors.ArtifactError
            When the model answers something that is no number.
        """
        together = threading.Barrier(self.lanes)  # or one lane's thread could take another's turn

        def turn(shape: int) -> None:
            together.wait()
            self._try(image, shape)

        image = self._first()
        for shape in self.runner.shapes:
            for done in [self.inference.submit(turn, shape) for _ in range(self.lanes)]:
                done.result()
        # What there is by now stays: to look through it for garbage, again and again, costs tenths of a second.
        gc.collect()
        gc.freeze()
        photographs = [example()] * (2 * self.busy)
        rounds = []
        for _ in range(WARM_UP_ROUNDS):
            started = time.perf_counter()
            self.classify(photographs)
            rounds.append(time.perf_counter() - started)
        return min(rounds) / len(photographs)

    def check(self) -> None:
        """Run one image through the model, and raise what that raises; in a thread of `inference`."""
        self._try(self._first(), 1)

    def _first(self) -> Pixels | Photograph:
        content = example()
        return self.header(content) or self.decode(content)

    def _try(self, image: Pixels | Photograph, shape: int) -> None:
        images = [each for each in self._ready([image] * shape) if not isinstance(each, ClassifierError)]
        if not np.isfinite(self.runner.predict(images).predictions.probabilities).all():
            raise ArtifactError("The model answers no numbers: its weights are damaged, train again.")

    def classify(self, contents: Sequence[bytes]) -> list[Answer | ClassifierError]:
        """Answer encoded images, in order; a bad one gets its error, and the others their answer."""
        found: list[Pixels | Photograph | ClassifierError] = []
        batches: list[Future[list[Answer | ClassifierError]]] = []

        def start(decoding: Sequence[Photograph | Future[Pixels | ClassifierError]]) -> None:
            decoded = [each.result() if isinstance(each, Future) else each for each in decoding]
            found.extend(decoded)
            if good := [each for each in decoded if not isinstance(each, ClassifierError)]:
                batches.append(self.inference.submit(self.infer, good))

        # One batch ahead: images are decoded while the model runs on those before them. Not further than keeps every
        # lane at work, or reading headers would hold up the lanes.
        ahead: list[Photograph | Future[Pixels | ClassifierError]] = []
        for first in range(0, len(contents), self.largest):
            part = contents[first : first + self.largest]
            wait(batches[-self.lanes - 1 : -self.lanes])
            begun = [self.header(each) or self.decoders.submit(_attempt, self.decode, each) for each in part]
            start(ahead)
            ahead = begun
        start(ahead)
        answers = iter([answer for batch in batches for answer in batch.result()])
        return [each if isinstance(each, ClassifierError) else next(answers) for each in found]

    def header(self, content: bytes) -> Photograph | None:
        """Return a photograph that the GPU will decode, in microseconds where it is small; None is for `decode`."""
        if not self.runner.takes_photographs:
            return None
        return photograph(content, self._card.image_size, self._limits)

    def decode(self, content: bytes) -> Pixels:
        """Decode one image; any thread may.

        Raises
        ------
        classifier.errors.UnreadableImageError, classifier.errors.ImageTooLargeError
        """
        pixels, statistics = decode_pixels(content, self._card.image_size, self._limits)
        return Pixels(pixels.pin_memory() if self.runner.pinned else pixels, statistics)

    def infer(self, images: Sequence[Pixels | Photograph]) -> list[Answer | ClassifierError]:
        """Answer at most `largest` decoded images, in order; in a thread of `inference`.

        A photograph whose header was good may still be damaged: it gets its error, and the others their answer.
        """
        ready = self._ready(images)
        good = [each for each in ready if not isinstance(each, ClassifierError)]
        answers = iter(self._answers(good) if good else [])
        if len(good) == len(ready):
            return list(answers)
        return [each if isinstance(each, ClassifierError) else next(answers) for each in ready]

    def _ready(self, images: Sequence[Pixels | Photograph]) -> list[Pixels | Shot | ClassifierError]:
        """Decode the photographs of a batch: what the GPU refuses, Pillow decodes or refuses with a reason."""
        shots = iter(self.runner.decode([each for each in images if isinstance(each, Photograph)]))
        ready: list[Pixels | Shot | ClassifierError] = []
        for each in images:
            shot = each if isinstance(each, Pixels) else next(shots)
            if shot is None and isinstance(each, Photograph):
                ready.append(_attempt(self.decode, each.content))
            elif shot is not None:
                ready.append(shot)
        return ready

    def _answers(self, images: Sequence[Pixels | Shot]) -> list[Answer]:
        predicted = self.runner.predict(images)
        decisions = predicted.predictions.decisions(self._card)
        return [
            {
                "class": decision.label,
                "confidence": decision.confidence,
                "probabilities": decision.probabilities,
                "confident": decision.confident,
                "threshold": self._card.threshold,
                "temperature": self._card.temperature,
                "model_version": self.version,
                "image": statistics.as_dict(),
                "embedding": decision.embedding,
            }
            for statistics, decision in zip(predicted.statistics, decisions, strict=True)
        ]

    def close(self) -> None:
        """End the threads."""
        self.decoders.shutdown(cancel_futures=True)
        self.inference.shutdown(cancel_futures=True)


def _attempt(decode: Callable[[bytes], Decoded], content: bytes) -> Decoded | ClassifierError:
    try:
        return decode(content)
    except ClassifierError as error:
        return error
