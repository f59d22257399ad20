"""How much of the machine the serving engine uses: its parts alone, all together, and other ways to run the model.

    python -m benchmarks.engine [--image-size 160 | --model FOLDER] [--data FOLDER] [--rounds 7]

Every side runs once in each round, so that what else the machine does meets them alike. Decoding alone and the model
alone are the limits, and so is copying: to the device, or of a batch's images into one tensor.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import platform
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.agreement import agreement
from benchmarks.models import photographs, write_model
from benchmarks.options import at_least_one, pictures_in, takes_out, write_figures
from benchmarks.sides import DECODE, DECODED, LANES, OTHER, WHOLE, seconds_of, sides
from benchmarks.training import compare
from classifier.artifact import LoadedModel, load_model
from classifier.errors import ArtifactError
from serving.engine import Engine

PHOTOGRAPH = (640, 480)
LATENCIES = 200
DIFFERENT = 64
"""Photographs that differ; a round on a GPU has them again and again."""
COMPARED = 400
"""Photographs of which answers are compared."""


def latencies(engine: Engine, contents: list[bytes]) -> dict[str, float]:
    """Return percentiles of the seconds from one image's bytes to its answer."""
    alone = sorted(
        seconds_of(functools.partial(engine.classify, [contents[number % len(contents)]]))
        for number in range(LATENCIES)
    )
    return {"p50": alone[LATENCIES // 2], "p99": alone[int(0.99 * LATENCIES)]}


def load(folder: Path | None, image_size: int) -> tuple[Engine, LoadedModel]:
    """Return a model as the engine runs it and as it is; without a folder, one whose head was not trained.

    Raises
    ------
    classifier.errors.ArtifactError
        When the folder holds no model that can be used.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            write_model(Path(made), image_size)
            return load(Path(made), image_size)
    return Engine(folder), load_model(folder, "cuda" if torch.cuda.is_available() else "cpu")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description="What the engine makes of the machine."
    )
    parser.add_argument(
        "--image-size", type=at_least_one, default=160, help="side of the network's input, pixels"
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="folder of a trained model, whose input is its own; without it an untrained head",
    )
    parser.add_argument(
        "--images",
        type=at_least_one,
        help="photographs a round; 64, or twelve batches of every lane on a GPU",
    )
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--data", type=pictures_in, help="folder of pictures; drawings without it")
    takes_out(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print images per second of each side, the ratios that matter, latencies, and how far the answers agree."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        engine, model = load(options.model, options.image_size)
    except ArtifactError as error:
        parser.error(f"--model {options.model}: {error}")
    pace = engine.warm_up()
    full = engine.lanes * engine.largest
    # Enough that a round's beginning and end, when lanes have nothing to do, hardly count.
    options.images = options.images or (12 * full if model.device.type == "cuda" else 64)
    if model.device.type == "cuda" and options.images % full:
        parser.error(f"--images {options.images} fills no batches on a GPU: give a multiple of {full}.")
    device = torch.cuda.get_device_name() if model.device.type == "cuda" else f"{engine.lanes} CPU cores"
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        f"{device}, torch {torch.__version__}, {when}; {options.images} JPEGs of {PHOTOGRAPH[0]}x{PHOTOGRAPH[1]}, "
        f"network at {model.card.image_size} px, {options.rounds} rounds; warm-up said {1 / pace:.0f} images/s"
    )
    various = photographs(COMPARED, PHOTOGRAPH, options.data)
    different = various[: min(options.images, DIFFERENT)]
    contents = [different[number % len(different)] for number in range(options.images)]
    seconds = compare(sides(engine, model, contents), options.rounds)
    rates = {name: [options.images / each for each in own] for name, own in seconds.items()}
    for name, own in rates.items():
        print(f"{name:48} {statistics.median(own):8.1f} images/s ({min(own):.1f} to {max(own):.1f})")
    figures: dict[str, Any] = {
        "device": device,
        "processor": platform.processor() or platform.machine(),
        "date": when,
        "torch": torch.__version__,
        "image_size": model.card.image_size,
        "images_per_second": rates,
    }

    def ratio(what: str, first: Sequence[float], second: Sequence[float]) -> None:
        each = sorted(a / b for a, b in zip(first, second, strict=True))
        figures[what] = each
        print(f"{what}: {statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})")

    limits = {name: own for name, own in rates.items() if name.startswith(LANES)}
    others = [own for name, own in rates.items() if name.startswith(OTHER) and name not in limits]
    best, other = (max(own, key=statistics.median) for own in (limits.values(), others))
    decoding, engine_rate = rates[DECODE], rates[WHOLE]
    if DECODED in rates:
        ratio("decoded images to answers / the model alone", rates[DECODED], best)
        slower = [min(a, b) for a, b in zip(best, decoding, strict=True)]
        ratio("the engine / the slower of decoding and the model", engine_rate, slower)
    turns = [1 / (1 / a + 1 / b) for a, b in zip(best, decoding, strict=True)]
    ratio("the engine / decoding and the model taking turns", engine_rate, turns)
    ratio("the model in lanes / the best other way to run it", best, other)
    ratio(
        "the engine / one image after the other",
        engine_rate,
        rates["bytes to answers, one image after the other"],
    )
    figures["latency_seconds"] = latencies(engine, different)
    p50, p99 = (1000 * figures["latency_seconds"][each] for each in ("p50", "p99"))
    print(f"one image, bytes to answer: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    figures["agreement"] = agreement(engine, model, various)
    for what, (same, largest) in figures["agreement"].items():
        print(
            f"{what}, against float32, one image at a time: same decisions {same:.4f}, "
            f"probabilities within {largest:.6f} on {len(various)} photographs"
        )
    engine.close()
    write_figures(options.out, figures)


if __name__ == "__main__":
    main()
