"""Looks at a person's folder of pictures before anything is started."""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scones.errors import DataError
from scones.target import ROOT

MINIMUM = 10
"""Readable pictures per class; fewer leave nothing to hold back for the test."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What the model's own decoder takes; a test holds the two lists together."""
CLASS_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


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
        Holds `<class>/*`, or `train/<class>/*` with or without `test/<class>/*`.

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
    splits = [root / "train", root / "test"] if (root / "train").is_dir() else [root]
    wanted = _folders(splits[0])
    if not wanted:
        raise DataError(
            f"The folder {folder} holds no class folders: put the pictures of each class in a folder of "
            "their own, named as the class."
        )
    for name in wanted:
        if not CLASS_NAME.fullmatch(name):
            raise DataError(
                f"The class name {name!r} may hold letters, digits, '_', '.' and '-' only: rename the folder."
            )
    for name in _folders(splits[-1]) if splits[-1].is_dir() else []:
        if name not in wanted:
            raise DataError(
                f"The class {name} has test pictures and none to train on: make {splits[0] / name}, or remove "
                f"{splits[-1] / name}."
            )
    _check_names(root)
    if len(wanted) < 2:
        raise DataError(
            f"The folder {folder} has one class only, {wanted[0]}: a classifier needs at least two."
        )
    return _count(folder, root, splits, wanted)


def _count(folder: Path, root: Path, splits: list[Path], wanted: list[str]) -> Pictures:
    classes = dict.fromkeys(wanted, 0)
    unreadable: list[str] = []
    for split in splits:
        for name in wanted:
            for path in _files(split / name):
                if readable(path):
                    classes[name] += 1
                else:
                    unreadable.append(str(path.relative_to(root)))
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


def _folders(root: Path) -> list[str]:
    return sorted(each.name for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
