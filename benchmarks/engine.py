"""How much of the machine the serving engine uses: its parts alone, all together, and other ways to run the model.

    python -m benchmarks.engine [--image-size 160] [--images 64] [--rounds 7] [--data FOLDER] [--out FILE]

Every side runs once in each round, so that what else the machine does meets them alike. Decoding alone and the model
alone are the limits: together they take turns on a CPU, and beside each other where there is a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.models import photographs, write_model
from benchmarks.training import compare
from classifier.artifact import LoadedModel, load_model
from classifier.preprocessing import decode_pixels, normalise
from serving.engine import Engine

PHOTOGRAPH = (640, 480)
LATENCIES = 100


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def split(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Return items in batches."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def sides(engine: Engine, model: LoadedModel, contents: list[bytes]) -> dict[str, Callable[[], float]]:
    """Return what is compared; each side answers all images once and returns its seconds."""
    pixels = [engine.decode(content) for content in contents]
    size = model.card.image_size

    def lanes(batch: int) -> float:
        return seconds_of(lambda: list(engine.inference.map(engine.infer, split(pixels, batch))))

    def decoding() -> float:
        return seconds_of(lambda: list(engine.decoders.map(engine.decode, contents)))

    def whole() -> float:
        return seconds_of(lambda: engine.classify(contents))

    def one_by_one() -> float:
        started = time.perf_counter()
        for content in contents:
            model.predict(normalise(decode_pixels(content, size)[0])[None])
        return time.perf_counter() - started

    def eager(batch: int, half: bool) -> float:
        network = model.network.half() if half else model.network.float()
        tensors = [each.tensor for each in pixels]
        with torch.inference_mode():
            started = time.perf_counter()
            for each in split(tensors, batch):
                x = normalise(torch.stack(list(each)).to(model.device)).to(network.head.weight.dtype)
                network(x.contiguous(memory_format=torch.channels_last)).float().cpu()
            return time.perf_counter() - started

    def shared(cores: ThreadPoolExecutor, batch: int) -> float:
        return cores.submit(eager, batch, False).result()

    found: dict[str, Callable[[], float]] = {"decode only, all threads": decoding}
    shapes = sorted({1, 2, engine.largest})
    found |= {f"model only, lanes, batch {batch}": functools.partial(lanes, batch) for batch in shapes}
    if model.device.type == "cpu":
        cores = ThreadPoolExecutor(1, "cores", torch.set_num_threads, (engine.lanes,))
        found |= {
            f"model only, cores share each batch of {batch}": functools.partial(shared, cores, batch)
            for batch in (1, 8)
        }
    else:
        found |= {
            f"model only, eager half precision, batch {batch}": functools.partial(eager, batch, True)
            for batch in (1, 64, 256)
        }
    found["bytes to answers, the engine"] = whole
    found["bytes to answers, one image after the other"] = one_by_one
    return found


def agreement(engine: Engine, model: LoadedModel, contents: list[bytes]) -> tuple[float, float]:
    """Return the share of same decisions, and the largest difference of a probability, to the plain model's."""
    model.network.float()
    same, largest = 0, 0.0
    for content, answer in zip(contents, engine.classify(contents), strict=True):
        wanted = model.predict(
            normalise(decode_pixels(content, model.card.image_size)[0])[None]
        ).probabilities[0]
        if not isinstance(answer, dict):
            raise TypeError(f"The engine refused a photograph: {answer}")
        found = [answer["probabilities"][name] for name in model.card.classes]
        same += int(np.argmax(found) == np.argmax(wanted))
        largest = max(largest, float(np.abs(np.array(found) - wanted).max()))
    return same / len(contents), largest


def main(arguments: Sequence[str] | None = None) -> None:
    """Print images per second of each side, the ratios that matter, latencies, and how far the answers agree."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description="What the engine makes of the machine."
    )
    parser.add_argument("--image-size", type=int, default=160, help="side of the network's input, pixels")
    parser.add_argument("--images", type=int, default=64, help="photographs a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", type=Path, help="folder of pictures; drawings without it")
    parser.add_argument("--out", type=Path, help="file for the figures, JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), options.image_size)
        engine = Engine(Path(folder))
        model = load_model(Path(folder), "cuda" if torch.cuda.is_available() else "cpu")
    pace = engine.warm_up()
    device = torch.cuda.get_device_name() if model.device.type == "cuda" else f"{engine.lanes} CPU cores"
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        f"{device}, torch {torch.__version__}, {when}; {options.images} JPEGs of {PHOTOGRAPH[0]}x{PHOTOGRAPH[1]}, "
        f"network at {options.image_size} px, {options.rounds} rounds; warm-up said {1 / pace:.0f} images/s"
    )
    contents = photographs(options.images, PHOTOGRAPH, options.data)
    seconds = compare(sides(engine, model, contents), options.rounds)
    rates = {name: [options.images / each for each in own] for name, own in seconds.items()}
    for name, own in rates.items():
        print(f"{name:48} {statistics.median(own):8.1f} images/s ({min(own):.1f} to {max(own):.1f})")
    figures: dict[str, Any] = {
        "device": device,
        "processor": platform.processor() or platform.machine(),
        "date": when,
        "torch": torch.__version__,
        "image_size": options.image_size,
        "images_per_second": rates,
    }

    def ratio(what: str, first: Sequence[float], second: Sequence[float]) -> None:
        each = sorted(a / b for a, b in zip(first, second, strict=True))
        figures[what] = each
        print(f"{what}: {statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})")

    limits = {name: own for name, own in rates.items() if name.startswith("model only, lanes")}
    best = max(limits.values(), key=statistics.median)
    decoding, engine_rate = rates["decode only, all threads"], rates["bytes to answers, the engine"]
    turns = [1 / (1 / a + 1 / b) for a, b in zip(best, decoding, strict=True)]
    limit = turns if model.device.type == "cpu" else [min(a, b) for a, b in zip(best, decoding, strict=True)]
    ratio("the engine / the limit of its parts", engine_rate, limit)
    others = [own for name, own in rates.items() if name.startswith("model only") and name not in limits]
    ratio("lanes / the best other way to run the model", best, max(others, key=statistics.median))
    ratio(
        "the engine / one image after the other",
        engine_rate,
        rates["bytes to answers, one image after the other"],
    )
    alone = sorted(
        seconds_of(functools.partial(engine.classify, [contents[number % len(contents)]]))
        for number in range(LATENCIES)
    )
    figures["latency_seconds"] = {"p50": alone[LATENCIES // 2], "p99": alone[int(0.99 * LATENCIES)]}
    print(
        f"one image, bytes to answer: p50 {1000 * alone[LATENCIES // 2]:.1f} ms, "
        f"p99 {1000 * alone[int(0.99 * LATENCIES)]:.1f} ms"
    )
    same, largest = agreement(engine, model, contents)
    figures["same_decisions"], figures["largest_difference"] = same, largest
    print(
        f"against float32, one image at a time: same decisions {same:.4f}, "
        f"probabilities within {largest:.6f} on {len(contents)} photographs"
    )
    engine.close()
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
