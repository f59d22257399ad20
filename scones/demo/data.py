"""Looks at a person's folder of pictures before anything is started."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from lambda_src.naming import CLASS_NAME
from scones.errors import DataError
from scones.target import ROOT
from training.errors import SourceError
from training.staging.layout import files_below, labels_to_learn, read_layout

MINIMUM = 10
"""Readable pictures per class; fewer leave nothing to hold back for the test."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What the model's own decoder takes; a test holds the two lists together."""


@dataclass(frozen=True)
class Pictures:
    """What a folder holds.

    Attributes
    ----------
    path
        The folder, absolute.
    classes
        Readable pictures per class, of all splits.
    unreadable
        Files that are no picture, or a broken one, as paths below the folder.
    """

    path: Path
    classes: Mapping[str, int]
    unreadable: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many pictures can be used."""
        return sum(self.classes.values())


def inspect(folder: Path) -> Pictures:
    """Count the pictures of every class.

    Parameters
    ----------
    folder
        Class folders, with or without folders of splits above, as staging takes them.

    Raises
    ------
    DataError
        When the folder is missing or empty, has one class only, or a class without enough pictures.
    """
    if not folder.exists():
        raise DataError(f"The folder {folder} does not exist: correct DATA.")
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder: DATA names a folder with one folder of pictures per class."
        )
    root = folder.resolve()
    if not str(root).isprintable():
        raise DataError(f"The path {str(root)!r} holds characters that are no text: rename the folder.")
    _check_names(root)
    names = files_below(root)
    try:
        found = read_layout(names)
    except SourceError as error:
        raise DataError(str(error)) from error
    wanted = labels_to_learn(found)
    places = {name: place for name, place in zip(names, found, strict=True) if place}
    if not wanted:
        raise DataError(
            f"The folder {folder} holds no class folders with files: put the pictures of each class in a folder of "
            "their own, named as the class."
        )
    for name in wanted:
        if not CLASS_NAME.fullmatch(name):
            raise DataError(
                f"The class name {name!r} may hold letters, digits, '_', '.' and '-' only, a letter or digit first and "
                "64 at most: rename the folder."
            )
    for file, place in places.items():
        if place.label not in wanted and readable(root / file):
            raise DataError(
                f"The class {place.label} has {place.split} pictures and none to train on, like {file}: give it some, "
                "or remove its folder."
            )
    if len(wanted) < 2:
        raise DataError(
            f"The folder {folder} has one class only, {wanted[0]}: a classifier needs at least two."
        )
    return _count(
        folder, root, {file: place.label for file, place in places.items() if place.label in wanted}
    )


def _count(folder: Path, root: Path, labels: Mapping[PurePath, str]) -> Pictures:
    classes = dict.fromkeys(sorted(set(labels.values())), 0)
    unreadable: list[str] = []
    for file, label in labels.items():
        if readable(root / file):
            classes[label] += 1
        else:
            unreadable.append(str(file))
    if not any(classes.values()):
        raise DataError(f"The folder {folder} holds no picture that can be read: check its files.")
    for name, count in classes.items():
        if count < MINIMUM:
            raise DataError(
                f"The class {name} has {count} readable pictures in {folder}: give it at least {MINIMUM}."
            )
    return Pictures(root, classes, tuple(unreadable))


def _check_names(root: Path) -> None:
    for path in root.rglob("*"):
        try:
            str(path.relative_to(root)).encode()
        except UnicodeEncodeError:
            raise DataError(f"The file name {path.name!r} is not valid UTF-8: rename the file.") from None


def readable(path: Path) -> bool:
    """Say whether a file is a picture, by its structure; staging decodes every pixel later."""
    from PIL import Image  # noqa: PLC0415  # a demo with drawings needs none here

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                image.verify()
    except Exception:  # Pillow's decoders raise almost anything on broken bytes
        return False
    return True


def known_classifier(env: str, classifier: str) -> dict[str, Any]:
    """Return an environment's settings of a classifier.

    Raises
    ------
    DataError
    """
    settings = tomllib.loads((ROOT / "environments" / f"{env}.toml").read_text(encoding="utf-8"))
    described: dict[str, dict[str, Any]] = settings["classifier"]
    if classifier not in described:
        known = ", ".join(sorted(described))
        raise DataError(f"There is no classifier {classifier!r}; the environment {env} describes: {known}.")
    return described[classifier]
