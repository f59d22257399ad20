"""What only the model itself can tell: how it bears bad pictures, where it looked, how long it takes."""

import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from classifier.artifact import CARD_FILE, WEIGHTS_FILE, LoadedModel, load_model
from classifier.card import ModelCard
from classifier.preprocessing import decode_image, open_rgb, resized
from training.errors import EvaluationError
from training.evaluation.answers import Answer
from training.evaluation.robustness import MOST_PICTURES, robustness
from training.evaluation.saliency import overlay, saliency
from training.manifest import count_images
from training.staging.candidates import REVIEWED
from training.staging.reviewed import reviewed_on

MOST_MISTAKES = 12
_TIMED = 40


@dataclass(frozen=True)
class Mistake:
    """A wrong answer as pictures: what the network saw, and where it looked."""

    answer: Answer
    picture: Image.Image
    saliency: Image.Image


@dataclass(frozen=True)
class Examination:
    """What the model itself told: see `robustness`; milliseconds; the surest mistakes first."""

    card: ModelCard
    robustness: list[dict[str, object]]
    latency: dict[str, Any]
    mistakes: list[Mistake]


def examine(archive: Path, test: Path, answers: Sequence[Answer]) -> Examination:
    """
    Load the model out of its serving archive and try it on the test split's pictures.

    Raises
    ------
    EvaluationError
        When the archive is no model's, or a picture of an answer is missing.
    """
    model = _load(archive)
    # Spread over the whole list, so that every class is met.
    some = [answers[i] for i in _spread(len(answers), MOST_PICTURES)]
    tried = [(_read(test, answer.file), answer.expected) for answer in some]
    wrong = sorted((a for a in answers if not a.correct), key=lambda a: -a.confidence)[:MOST_MISTAKES]
    return Examination(
        model.card,
        robustness(model, tried),
        _latency(model, [data for data, _ in tried[:_TIMED]]),
        [_mistake(model, answer, _read(test, answer.file)) for answer in wrong],
    )


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _load(archive: Path) -> LoadedModel:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive, "r:gz") as opened:
                for name in (WEIGHTS_FILE, CARD_FILE):
                    member = opened.extractfile(name)
                    if member is None:
                        raise KeyError(name)
                    Path(folder, name).write_bytes(member.read())
        except (OSError, EOFError, KeyError, tarfile.TarError) as error:
            raise EvaluationError(
                f"{archive.name} is no serving archive: package the model again."
            ) from error
        return load_model(Path(folder))


def _read(test: Path, file: str) -> bytes:
    try:
        return (test / file).read_bytes()
    except OSError as error:
        raise EvaluationError(f"The test split holds no picture {file!r} that was answered for.") from error


def _mistake(model: LoadedModel, answer: Answer, data: bytes) -> Mistake:
    pixels = resized(open_rgb(data)[0], model.card.image_size)
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    return Mistake(answer, picture, overlay(pixels, saliency(model, pixels)))


def _latency(model: LoadedModel, files: Sequence[bytes]) -> dict[str, Any]:
    size = model.card.image_size
    model.warm_up(1)
    milliseconds = []
    for data in files:
        started = time.perf_counter()
        model.predict(decode_image(data, size).tensor[None])
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 2),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 2),
        "images": len(milliseconds),
        "threads": torch.get_num_threads(),
    }


def agree(card: ModelCard, manifest: Mapping[str, Any], answers: Sequence[Answer]) -> None:
    """
    See that the answers, which are all of one model, the archive's model and the data are of one another.

    Raises
    ------
    EvaluationError
        Naming the first thing that is not.
    """
    version, threshold = answers[0].model_version, answers[0].threshold
    if card.model_version and version != card.model_version:
        raise EvaluationError(
            f"The answers are those of model {version}, and the archive holds {card.model_version}: give its own."
        )
    if threshold != card.threshold:
        raise EvaluationError(
            f"The answers have the threshold {threshold}, and the archive's is {card.threshold}: transform again."
        )
    if strange := sorted({answer.predicted for answer in answers if answer.predicted not in card.classes}):
        raise EvaluationError(
            f"An answer's class is {strange[0]!r}, and the archive's are {', '.join(card.classes)}: transform again."
        )
    if not manifest:
        return
    if manifest["version"] != card.dataset_version:
        raise EvaluationError(
            f"The manifest is that of dataset {manifest['version']}, and the model learnt from {card.dataset_version}."
        )
    if odd := sorted(set(manifest["tested"]).symmetric_difference(answer.file for answer in answers)):
        raise EvaluationError(
            f"The answers are not those of the whole test split: {odd[0]!r} is in one of both only. Transform again."
        )


def data_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the report and the model card say of the data, and the test split's pictures."""
    tested = {each["file"].partition("/")[2]: each for each in manifest["images"] if each["split"] == "test"}
    kept = ("version", "source", "drawings", "classes")
    return {name: manifest.get(name) for name in kept} | {
        # What the version covers, and not what the manifest says of it besides.
        "counts": count_images(manifest),
        "reviewed": sum(each.get("origin") == REVIEWED for each in manifest["images"]),
        "duplicates": manifest.get("duplicates", 0),
        "rejected": len(manifest.get("rejects", [])),
        "tested": list(tested),
        # A manifest from before pictures had an origin names none.
        "reviewed_tested": {
            file: reviewed_on(each["original"])
            for file, each in tested.items()
            if each.get("origin") == REVIEWED
        },
    }
