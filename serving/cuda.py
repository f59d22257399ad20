"""The model on an NVIDIA GPU: captured graphs, and photographs that are decoded there."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from classifier.artifact import LoadedModel, Predictions
from classifier.image_statistics import ImageStatistics
from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from serving.images import Photograph, Pixels, Predicted, Shot
from serving.photographs import SUMS, Decoder, statistics

_NOTHING = ImageStatistics(0, 0, "", "", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class _Slot(NamedTuple):
    """What one captured batch reads and writes: pinned memory of the host, and tensors of the device."""

    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    views: tuple[Tensor, ...]
    found: tuple[Tensor, Tensor]
    answers: tuple[Tensor, Tensor]
    sums: Tensor


class _Lane(NamedTuple):
    stream: torch.cuda.Stream
    memory: Any
    slots: dict[int, _Slot]


class CudaRunner:
    """Captured graphs for a few batch shapes, once a lane: one lane copies while another computes.

    Photographs are copied as they came, and what Pillow has decoded as bytes. A batch is padded to the next shape;
    the padding's answers are thrown away.

    Parameters
    ----------
    model
        The float32 reference, on the device.
    features
        Gives pooled features [n, 1280] of uint8 images [n, 3, S, S] on the device.
    decoder
        Decodes photographs on the device, if it can.
    """

    lanes = 4
    pinned = True
    shapes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)

    def __init__(
        self, model: LoadedModel, features: Callable[[Tensor], Tensor], decoder: Decoder | None = None
    ) -> None:
        self._model, self._features, self._decoder = model, features, decoder
        self._capturing = threading.Lock()
        self._own = threading.local()
        self.takes_photographs = decoder is not None

    def decode(self, photographs: Sequence[Photograph]) -> list[Shot | None]:
        """Decode photographs on the device."""
        if self._decoder is None:
            return [None for _ in photographs]
        with torch.cuda.stream(self._lane().stream):
            found = self._decoder.decode(photographs)
        return [None if p is None else Shot(photo, p) for photo, p in zip(photographs, found, strict=True)]

    def predict(self, images: Sequence[Pixels | Shot]) -> Predicted:
        """Classify at most `shapes[-1]` images."""
        lane, count = self._lane(), len(images)
        slot = self._slot(lane, count)
        shots = [each for each in images if isinstance(each, Shot)]
        pixels = [each for each in images if isinstance(each, Pixels)]
        first = len(shots)
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            if pixels:
                _copy(pixels, slot, first)
            measured = self._develop(shots, slot)
            slot.graph.replay()
            for host, device in zip(slot.answers, slot.found, strict=True):
                host.copy_(device, non_blocking=True)
        lane.stream.synchronize()
        own = iter(measured())
        order = _places(images)
        probabilities, embeddings = (each.numpy()[order] for each in slot.answers)
        return Predicted(
            Predictions(probabilities, embeddings),
            [next(own) if isinstance(each, Shot) else each.statistics for each in images],
        )

    def _develop(self, shots: Sequence[Shot], slot: _Slot) -> Callable[[], list[ImageStatistics]]:
        """Put photographs' pixels where the graph reads them; return what gives their statistics when all is done."""
        if self._decoder is None or not shots:
            return list
        photographs, pixels = [each.photograph for each in shots], [each.pixels for each in shots]
        developed = self._decoder.develop(photographs, pixels, slot.pixels)
        sums = slot.sums[: len(shots)]
        sums.copy_(developed.sums, non_blocking=True)
        return lambda: statistics(photographs, developed.laid, sums.numpy())

    def replay(self, count: int, times: int) -> None:
        """Run the graph for so many images, again and again, on what its memory holds: the limit of the device."""
        lane = self._lane()
        slot = self._slot(lane, count)
        with torch.cuda.stream(lane.stream):
            for _ in range(times):
                slot.graph.replay()
        lane.stream.synchronize()

    def put(self, images: Sequence[Pixels]) -> None:
        """Copy decoded images to the device, and no more: another limit."""
        lane = self._lane()
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            _copy(images, self._slot(lane, len(images)), 0)
        lane.stream.synchronize()

    def prepare(self, photographs: Sequence[Photograph]) -> None:
        """Decode, resize and measure photographs, and no more: the other limit of the device."""
        shots = [each for each in self.decode(photographs) if each]
        lane = self._lane()
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            self._develop(shots, self._slot(lane, len(shots)))
        lane.stream.synchronize()

    def difference(self) -> float:
        """Return by how much a probability differs at most from the float32 model's, on random pictures."""
        size = self._model.card.image_size
        chance = torch.Generator().manual_seed(0)
        coarse = torch.randint(0, 256, (self.shapes[-1], 3, 8, 8), generator=chance).float()
        pixels = torch.nn.functional.interpolate(coarse, size, mode="bilinear").to(torch.uint8)
        wanted = self._model.predict(normalise(pixels)).probabilities
        found = self.predict(
            [Pixels(each.pin_memory(), _NOTHING) for each in pixels]
        ).predictions.probabilities
        return float(np.abs(found - wanted).max())

    def _lane(self) -> _Lane:
        if not hasattr(self._own, "lane"):
            stream = torch.cuda.Stream(self._model.device)  # type: ignore[no-untyped-call]
            self._own.lane = _Lane(stream, torch.cuda.graph_pool_handle(), {})
        lane: _Lane = self._own.lane
        return lane

    def _slot(self, lane: _Lane, count: int) -> _Slot:
        shape = padded(count, self.shapes)
        if shape not in lane.slots:
            with self._capturing:
                lane.slots[shape] = self._capture(lane, shape)
        return lane.slots[shape]

    def _capture(self, lane: _Lane, shape: int) -> _Slot:
        """Record one batch shape's work, from the device's pixels to its answers."""
        size, device = self._model.card.image_size, self._model.device
        pixels = torch.zeros(shape, 3, size, size, dtype=torch.uint8, device=device)
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            for _ in range(3):  # libraries choose their kernels and take their memory outside the record
                self._model.decide(self._features(pixels))
            lane.stream.synchronize()
            # Another lane may be at work meanwhile: only this thread's calls are recorded. A lane's graphs run one
            # after the other, and share their memory.
            with torch.cuda.graph(graph, lane.memory, stream=lane.stream, capture_error_mode="thread_local"):
                found = self._model.decide(self._features(pixels))
            answers = (torch.empty_like(each, device="cpu", pin_memory=True) for each in found)
            sums = torch.empty((shape, SUMS), dtype=torch.float64, pin_memory=True)
        first, second = answers
        return _Slot(graph, pixels, pixels.unbind(), found, (first, second), sums)


def _copy(images: Sequence[Pixels], slot: _Slot, first: int) -> None:
    """Copy decoded images to where the graph reads them, on the current stream."""
    # From pinned memory, each on its way at once: to stack them first costs more than the network.
    places = slot.views[first : first + len(images)]
    torch._foreach_copy_(places, [each.tensor for each in images], non_blocking=True)


def _places(images: Sequence[Pixels | Shot]) -> list[int]:
    """Return where each image's answer is: photographs go first."""
    shots, pixels = 0, sum(isinstance(each, Shot) for each in images)
    found = []
    for each in images:
        if isinstance(each, Shot):
            found.append(shots)
            shots += 1
        else:
            found.append(pixels)
            pixels += 1
    return found


def padded(count: int, shapes: Sequence[int]) -> int:
    """Return the smallest of the prepared shapes that holds `count` images, else the largest."""
    return next((shape for shape in shapes if shape >= count), shapes[-1])


def half_precision(network: EfficientNetLite0) -> Callable[[Tensor], Tensor]:
    """Return a network's features in half precision, layer by layer."""
    half = copy.deepcopy(network).half()

    def features(pixels: Tensor) -> Tensor:
        return half.features(normalise(pixels).half().contiguous(memory_format=torch.channels_last))

    return features
