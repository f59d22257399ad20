"""The model on an NVIDIA GPU: captured graphs, and photographs that are decoded there."""

from __future__ import annotations

import copy
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from classifier.artifact import LoadedModel, Predictions
from classifier.network import EfficientNetLite0
from classifier.preprocessing import normalise
from serving.images import Photograph, Pixels, Predicted, Shot
from serving.photographs import SUMS, Decoder, Developed


class _Slot(NamedTuple):
    """What one captured batch reads and writes: pinned memory of the host, and tensors of the device."""

    graph: torch.cuda.CUDAGraph
    pixels: Tensor
    views: tuple[Tensor, ...]
    found: tuple[Tensor, ...]
    answers: tuple[Tensor, ...]
    sums: Tensor


class _Line(NamedTuple):
    """Where graphs run one after the other, and share their memory; what is recorded for it has a stream of its own."""

    stream: torch.cuda.Stream
    recording: torch.cuda.Stream
    memory: Any
    turn: threading.Lock


class _Lane(NamedTuple):
    """What a thread has to itself, and the line in which its graphs stand."""

    stream: torch.cuda.Stream
    line: _Line
    slots: dict[int, _Slot]
    ready: torch.cuda.Event
    done: torch.cuda.Event


def take_all_queues() -> None:
    """Let every stream have a hardware queue to itself: call it before anything runs on the device.

    Unless told, CUDA takes eight for all streams there are, and what shares one waits for what is before it: a
    photograph's few small kernels for whole networks.
    """
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")


class CudaRunner:
    """Captured graphs for a few batch shapes, once a lane: one lane copies or answers while another computes.

    Two lanes share a line, in which one's batch waits while the other's runs. Without lines all lanes' batches would
    run at once, end at once, and leave the device idle while Python answers them. A single line would leave it partly
    idle at a batch's smaller layers, which another batch fills.

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

    lanes, lines = 4, 2
    pinned = True
    linear = False
    shapes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)

    def __init__(
        self, model: LoadedModel, features: Callable[[Tensor], Tensor], decoder: Decoder | None = None
    ) -> None:
        self._model, self._features, self._decoder = model, features, decoder
        self._capturing = threading.Lock()
        self._own = threading.local()
        lines = [
            _Line(_stream(model), _stream(model), torch.cuda.graph_pool_handle(), threading.Lock())
            for _ in range(self.lines)
        ]
        self._next = itertools.cycle(lines)
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
        with torch.inference_mode(), torch.cuda.stream(lane.stream):
            if pixels:
                _copy(pixels, slot, len(shots))
            developed = self._develop(shots, slot)
            lane.ready.record()
            with lane.line.turn, torch.cuda.stream(lane.line.stream):
                lane.ready.wait()
                slot.graph.replay()
                lane.done.record()
            if developed:
                developed.measure(slot.sums)  # while the graph runs
            lane.done.wait()
            for host, device in zip(slot.answers, slot.found, strict=True):
                host.copy_(device, non_blocking=True)
        lane.stream.synchronize()
        found = developed.statistics(slot.sums) if developed else []
        found += [each.statistics for each in pixels]
        # Photographs go first. The next batch has its answers where these are.
        places = _places(images) if shots and pixels else list(range(count))
        probabilities, embeddings = (each.numpy()[places] for each in slot.answers)
        return Predicted(Predictions(probabilities, embeddings), [found[place] for place in places])

    def _develop(self, shots: Sequence[Shot], slot: _Slot) -> Developed | None:
        """Put photographs' pixels where the graph reads them."""
        if self._decoder is None or not shots:
            return None
        photographs, pixels = [each.photograph for each in shots], [each.pixels for each in shots]
        return self._decoder.develop(photographs, pixels, slot.pixels)

    def replay(self, count: int, times: int) -> None:
        """Run the graph for so many images, again and again, on what its memory holds: the limit of the device."""
        lane = self._lane()
        slot, line = self._slot(lane, count), lane.line
        with torch.cuda.stream(line.stream):
            for _ in range(times):
                slot.graph.replay()
        line.stream.synchronize()

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
            slot = self._slot(lane, len(shots))
            if developed := self._develop(shots, slot):
                developed.measure(slot.sums)
        lane.stream.synchronize()

    def _lane(self) -> _Lane:
        if not hasattr(self._own, "lane"):
            ready, done = torch.cuda.Event(), torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._own.lane = _Lane(_stream(self._model), next(self._next), {}, ready, done)
        lane: _Lane = self._own.lane
        return lane

    def _slot(self, lane: _Lane, count: int) -> _Slot:
        shape = padded(count, self.shapes)
        if shape not in lane.slots:
            with self._capturing:
                lane.slots[shape] = self._capture(lane.line, shape)
        return lane.slots[shape]

    def _capture(self, line: _Line, shape: int) -> _Slot:
        """Record one batch shape's work, from the device's pixels to its answers."""
        size, device = self._model.card.image_size, self._model.device
        pixels = torch.zeros(shape, 3, size, size, dtype=torch.uint8, device=device)
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.stream(line.recording):
            for _ in range(3):  # libraries choose their kernels and take their memory outside the record
                # Kept out of the memory that graphs share, so that the next one may run while these are copied.
                found = self._model.decide(self._features(pixels))
            line.recording.synchronize()
            # Another lane may be at work meanwhile: only this thread's calls are recorded.
            with torch.cuda.graph(
                graph, line.memory, stream=line.recording, capture_error_mode="thread_local"
            ):
                for own, each in zip(found, self._model.decide(self._features(pixels)), strict=True):
                    own.copy_(each)
            answers = tuple(torch.empty_like(each, device="cpu", pin_memory=True) for each in found)
            sums = torch.empty((shape, SUMS), dtype=torch.float64, pin_memory=True)
        return _Slot(graph, pixels, pixels.unbind(), found, answers, sums)


def _stream(model: LoadedModel) -> torch.cuda.Stream:
    return torch.cuda.Stream(model.device)  # type: ignore[no-untyped-call]


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
