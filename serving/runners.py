"""How a model runs on the device there is: decoded images in, predictions out."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from classifier.artifact import LoadedModel, Predictions
from classifier.preprocessing import normalise

logger = logging.getLogger(__name__)

TOLERANCE = 0.01
"""What a probability may differ by from the float32 reference's."""


class Runner(Protocol):
    """Runs batches; each of `lanes` threads may call `predict` at the same time."""

    lanes: int
    shapes: tuple[int, ...]

    def predict(self, images: Sequence[Tensor]) -> Predictions:
        """Classify at most `shapes[-1]` uint8 images, each [3, S, S]."""


class CpuRunner:
    """One lane to a core, each with a single torch thread.

    The network is many small layers. Sharing each of them among the cores costs a meeting of the cores after every
    layer; whole images share nothing, and two at a time leave the caches enough room: `benchmarks/engine.py`
    measures both.
    """

    shapes: tuple[int, ...] = (1, 2, 3, 4)

    def __init__(self, model: LoadedModel, cores: int) -> None:
        self._model = model
        self.lanes = cores

    def predict(self, images: Sequence[Tensor]) -> Predictions:
        """Classify at most four images."""
        return self._model.predict(normalise(torch.stack(list(images))))


class _Slot(NamedTuple):
    """What one captured batch reads and writes: pinned memory of the host, and tensors of the device."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    pixels: Tensor
    found: tuple[Tensor, Tensor]
    answers: tuple[Tensor, Tensor]


class _Lane(NamedTuple):
    stream: torch.cuda.Stream
    slots: dict[int, _Slot]


class CudaRunner:
    """Captured graphs in half precision, for a few batch shapes, twice: one lane copies while the other computes.

    Images are copied as bytes, a quarter of float32, and normalised on the device. A batch is padded to the next
    shape; the padding's answers are thrown away.
    """

    lanes = 2
    shapes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)

    def __init__(self, model: LoadedModel) -> None:
        half = copy.deepcopy(model.network).half()
        self._reference = model
        self._model = LoadedModel(half, model.card, str(model.device))
        self._capturing = threading.Lock()
        self._own = threading.local()

    def predict(self, images: Sequence[Tensor]) -> Predictions:
        """Classify at most 64 images."""
        lane = self._lane()
        shape = padded(len(images), self.shapes)
        if shape not in lane.slots:
            with self._capturing:
                lane.slots[shape] = self._capture(lane.stream, shape)
        slot = lane.slots[shape]
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            torch.stack(list(images), out=slot.given[: len(images)])
            slot.pixels.copy_(slot.given, non_blocking=True)
            slot.graph.replay()
            for host, device in zip(slot.answers, slot.found, strict=True):
                host.copy_(device, non_blocking=True)
        lane.stream.synchronize()
        probabilities, embeddings = (each[: len(images)].numpy().copy() for each in slot.answers)
        return Predictions(probabilities, embeddings)

    def difference(self) -> float:
        """Return by how much a probability differs at most from the float32 model's, on random pictures."""
        size = self._model.card.image_size
        chance = torch.Generator().manual_seed(0)
        coarse = torch.randint(0, 256, (self.shapes[-1], 3, 8, 8), generator=chance).float()
        pixels = torch.nn.functional.interpolate(coarse, size, mode="bilinear").to(torch.uint8)
        wanted = self._reference.predict(normalise(pixels)).probabilities
        return float(np.abs(self.predict(list(pixels)).probabilities - wanted).max())

    def _lane(self) -> _Lane:
        if not hasattr(self._own, "lane"):
            self._own.lane = _Lane(torch.cuda.Stream(self._model.device), {})  # type: ignore[no-untyped-call]
        lane: _Lane = self._own.lane
        return lane

    def _capture(self, stream: torch.cuda.Stream, shape: int) -> _Slot:
        """Record one batch shape's work, from the device's pixels to its answers."""
        card, device = self._model.card, self._model.device
        pixels = torch.zeros(shape, 3, card.image_size, card.image_size, dtype=torch.uint8, device=device)
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(3):  # libraries choose their kernels and take their memory outside the record
                self._model.compute(normalise(pixels))
            stream.synchronize()
            # Another lane may be at work meanwhile: only this thread's calls are recorded.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                found = self._model.compute(normalise(pixels))
            answers = (torch.empty_like(each, device="cpu", pin_memory=True) for each in found)
            given = torch.zeros_like(pixels, device="cpu", pin_memory=True)
        first, second = answers
        return _Slot(graph, given, pixels, found, (first, second))


class EagerRunner:
    """One lane, float32, as torch runs it: for a GPU on which captured graphs do not work."""

    lanes = 1
    shapes: tuple[int, ...] = CudaRunner.shapes

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def predict(self, images: Sequence[Tensor]) -> Predictions:
        """Classify at most 64 images."""
        return self._model.predict(normalise(torch.stack(list(images)).to(self._model.device)))


def padded(count: int, shapes: Sequence[int]) -> int:
    """Return the smallest of the prepared shapes that holds `count` images, else the largest."""
    return next((shape for shape in shapes if shape >= count), shapes[-1])


def runner(model: LoadedModel, cores: int) -> Runner:
    """Return the fastest runner whose answers are those of the float32 model."""
    if model.device.type != "cuda":
        return CpuRunner(model, cores)
    try:
        graphs = CudaRunner(model)
        difference = graphs.difference()
    except RuntimeError as error:
        logger.warning("The GPU captures no graphs (%s): the model runs without.", error)
        return EagerRunner(model)
    if not difference <= TOLERANCE:
        logger.warning("In half precision answers differ by %.3f: the model runs in float32.", difference)
        return EagerRunner(model)
    return graphs
