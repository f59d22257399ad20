"""How many altered copies of a folder's pictures staging finds to be near duplicates.

    python -m benchmarks.copies --data FOLDER [--most 500]

A copy that it does not find may come into another split than its original. Without `--data` the built-in drawings
of scones are copied.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageOps

from benchmarks.options import at_least_one
from classifier.errors import ClassifierError
from training.drawings import draw_candidates
from training.errors import TrainingCodeError
from training.evaluation.robustness import brightened, compressed
from training.staging.checking import check
from training.staging.fingerprints import difference_hash, group_near
from training.staging.folder import open_folder

Alter = Callable[[Image.Image], Image.Image]


def resized(factor: float) -> Alter:
    """Multiply both sides."""
    return lambda picture: picture.resize(
        (max(1, round(picture.width * factor)), max(1, round(picture.height * factor))),
        Image.Resampling.LANCZOS,
    )


def cropped(picture: Image.Image) -> Image.Image:
    """Cut a tenth off each side."""
    across, down = picture.width // 10, picture.height // 10
    return picture.crop((across, down, picture.width - across, picture.height - down))


COPIES: dict[str, Alter] = {
    "JPEG of quality 95": compressed(95),
    "JPEG of quality 85": compressed(85),
    "JPEG of quality 70": compressed(70),
    "brightness times 1.2": brightened(1.2),
    "brightness times 0.8": brightened(0.8),
    "twice the size": resized(2.0),
    "three quarters of the size": resized(0.75),
    "half the size": resized(0.5),
    "cropped by a tenth": cropped,
    "mirrored": ImageOps.mirror,
}


def pictures(folder: Path | None, most: int) -> list[Image.Image]:
    """Read a folder's pictures as staging does, or draw some; `most` at the most, chosen by chance but always alike."""
    _, source = (
        open_folder(folder, []) if folder else draw_candidates(["good", "defective"], (most + 1) // 2, 7)
    )
    candidates = list(source)
    random.Random(0).shuffle(candidates)  # noqa: S311  # a sample, no secret
    found, _ = check(candidates[:most], lambda _: None)
    return [Image.open(io.BytesIO(each.candidate.data)).convert("RGB") for each in found]


def near(picture: Image.Image, copy: Image.Image) -> bool:
    """Whether staging would group the two."""
    return group_near([difference_hash(picture), difference_hash(copy)]) == [0, 0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the share of copies found, by how they were altered."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.copies", description="Which near duplicates staging finds."
    )
    parser.add_argument("--data", type=Path, help="folder of class folders; left out, drawings are made")
    parser.add_argument("--most", type=at_least_one, default=500, help="pictures to copy, at most")
    options = parser.parse_args(arguments)
    try:
        originals = pictures(options.data, max(2, options.most))
    except (TrainingCodeError, ClassifierError) as error:
        parser.error(str(error))
    print(f"{len(originals)} pictures of {options.data or 'the built-in drawings of scones'}")
    for name, alter in COPIES.items():
        found = sum(near(picture, alter(picture)) for picture in originals)
        print(f"{name:27} {found / len(originals):6.1%} found")


if __name__ == "__main__":
    main()
