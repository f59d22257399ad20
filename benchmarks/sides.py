"""What `benchmarks.engine` compares: the engine, its parts alone, and other ways to run the model."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from benchmarks.models import split
from classifier.artifact import LoadedModel
from classifier.preprocessing import decode_pixels, normalise
from serving.cuda import CudaRunner
from serving.engine import Engine
from serving.images import Pixels

ONE_BY_ONE = 64
DECODE, COPY = "decode only", "copy only"
LANES, OTHER = "model only, lanes,", "model only,"
DECODED = "decoded images to answers, the engine"
WHOLE = "bytes to answers, the engine"


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def sides(engine: Engine, model: LoadedModel, contents: list[bytes]) -> dict[str, Callable[[], float]]:
    """Return what is compared; each side answers all images once and returns its seconds."""
    pixels = list(engine.decoders.map(engine.decode, contents))
    size = model.card.image_size

    def stack(part: Sequence[Pixels]) -> torch.Tensor:
        return torch.stack([each.tensor for each in part])

    def lanes(batch: int) -> float:
        return seconds_of(lambda: list(engine.inference.map(engine.infer, split(pixels, batch))))

    def whole() -> float:
        return seconds_of(lambda: engine.classify(contents))

    def one_by_one() -> float:
        several = contents[:ONE_BY_ONE]
        started = time.perf_counter()
        for content in several:
            model.predict(normalise(decode_pixels(content, size)[0])[None])
        return (time.perf_counter() - started) * len(contents) / len(several)

    def eager(batch: int) -> float:
        with torch.inference_mode():
            started = time.perf_counter()
            for part in split(pixels, batch):
                x = normalise(torch.stack([each.tensor for each in part]))
                model.network(x.contiguous(memory_format=torch.channels_last))
            return time.perf_counter() - started

    found: dict[str, Callable[[], float]]
    if isinstance(engine.runner, CudaRunner):
        found = on_a_gpu(engine, engine.runner, model, contents)
        put = engine.runner.put
        found[COPY] = lambda: seconds_of(
            lambda: list(engine.inference.map(put, split(pixels, engine.largest)))
        )
        found[DECODED] = functools.partial(lanes, engine.largest)
    else:
        cores = ThreadPoolExecutor(1, "cores", torch.set_num_threads, (engine.lanes,))

        def shared(batch: int) -> float:
            return cores.submit(eager, batch).result()

        found = {
            DECODE: lambda: seconds_of(lambda: list(engine.decoders.map(engine.decode, contents))),
            COPY: lambda: seconds_of(
                lambda: list(engine.inference.map(stack, split(pixels, engine.largest)))
            ),
            **{f"{LANES} batch {batch}": functools.partial(lanes, batch) for batch in (1, 2, 4)},
            **{f"{OTHER} cores share each batch of {n}": functools.partial(shared, n) for n in (1, 8)},
        }
    return {**found, WHOLE: whole, "bytes to answers, one image after the other": one_by_one}


def on_a_gpu(
    engine: Engine, runner: CudaRunner, model: LoadedModel, contents: list[bytes]
) -> dict[str, Callable[[], float]]:
    """Return the limits: photographs decoded, resized and measured alone, and the model on what the device holds."""
    photographs = [photo for content in contents if (photo := engine.header(content))]
    size, half = model.card.image_size, copy.deepcopy(model.network).half()

    def decoding(part: Sequence[bytes]) -> None:
        runner.prepare([photo for content in part if (photo := engine.header(content))])

    def graphs(batch: int) -> float:
        each = functools.partial(runner.replay, batch, len(contents) // batch // engine.lanes)

        def all_lanes() -> None:
            for lane in [engine.inference.submit(each) for _ in range(engine.lanes)]:
                lane.result()

        return seconds_of(all_lanes)

    def eager(batch: int) -> float:
        chance = torch.Generator("cuda").manual_seed(0)
        shape = (batch, 3, size, size)
        x = torch.randn(shape, generator=chance, device="cuda", dtype=torch.half)
        x = x.contiguous(memory_format=torch.channels_last)
        torch.cuda.synchronize()

        def all_batches() -> None:
            for _ in range(-(-len(contents) // batch)):
                half(x)
            torch.cuda.synchronize()

        with torch.inference_mode():
            return seconds_of(all_batches)

    found: dict[str, Callable[[], float]] = {}
    if photographs:
        found[DECODE] = lambda: seconds_of(
            lambda: list(engine.inference.map(decoding, split(contents, engine.largest)))
        )
    else:
        found[DECODE] = lambda: seconds_of(lambda: list(engine.decoders.map(engine.decode, contents)))
    found |= {f"{LANES} batch {batch}": functools.partial(graphs, batch) for batch in (1, 32, engine.largest)}
    found |= {f"{OTHER} eager half precision, batch {n}": functools.partial(eager, n) for n in (64, 256, 512)}
    return found
