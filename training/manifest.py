"""The manifest of a staged dataset, and the files that it lists."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from training.errors import DatasetError
from training.staging.candidates import SPLITS
from training.staging.dataset import count, version_of

_TEXTS = ("file", "split", "sha256", "pixels", "group", "original")

AGAIN = (
    "delete its version's folder and its mark in the dataset's index, and train again, which stages it anew"
)
"""What to do about a version that is not what was staged: while the index has it, it is never written again."""


def read_manifest(path: Path) -> dict[str, Any]:
    """
    Read a manifest and see that its pictures make the version that it names.

    Parameters
    ----------
    path
        The file, or the folder that it is in.

    Raises
    ------
    DatasetError
        When it cannot be read, has another shape, or names another version.
    """
    if path.is_dir():
        path = next(iter(sorted(path.rglob("*.json"))), path)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _check_shape(manifest)
        made = version_of(
            manifest["classes"], ((each["file"], each["pixels"]) for each in manifest["images"])
        )
        fits = manifest["version"] == made
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path.name} is no manifest of a staged dataset: {AGAIN}.") from error
    if not fits:
        raise DatasetError(
            f"{path.name} says that it is version {manifest['version']}, and its pictures make version {made}: "
            f"{AGAIN}."
        )
    return manifest


def _check_shape(manifest: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError where what the jobs read of a manifest is not as staging writes it."""
    if not isinstance(manifest["images"], list) or not isinstance(manifest["classes"], list):
        raise TypeError("images and classes are lists")
    if not isinstance(manifest.get("rejects", []), list) or not isinstance(
        manifest.get("duplicates", 0), int
    ):
        raise TypeError("rejects are a list, and duplicates a number")
    for each in manifest["images"]:
        if not all(isinstance(each[name], str) for name in _TEXTS):
            raise TypeError("of an image, all that is read is text")
        split, label, _ = each["file"].split("/")
        # The version covers the file's name only.
        if split != each["split"] or split not in SPLITS or label not in manifest["classes"]:
            raise ValueError(each["file"])
    if len({each["file"] for each in manifest["images"]}) < len(manifest["images"]):
        raise ValueError("a file is listed twice")


def count_images(manifest: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return how many pictures a manifest lists, by class and split."""
    parts = (each["file"].split("/") for each in manifest["images"])
    return count(manifest["classes"], ((split, label) for split, label, _ in parts))


def listed(
    folder: Path, split: str, manifest: Mapping[str, Any], names: Sequence[str]
) -> dict[Path, dict[str, Any]]:
    """
    Return every file of some classes of a split, with what the manifest says of it.

    Raises
    ------
    DatasetError
        When the files are not those that the manifest lists.
    """
    wanted = {each["file"]: each for each in manifest["images"] if each["split"] == split}
    wanted = {file: each for file, each in wanted.items() if file.split("/")[1] in names}
    unknown = {path.name for path in folder.glob("*") if path.is_dir()} - {*manifest["classes"]}
    found = {
        f"{split}/{path.relative_to(folder).as_posix()}": path
        for name in (*names, *sorted(unknown))
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }
    if odd := sorted(wanted.keys() ^ found.keys()):
        where = (
            "the manifest, but not in the split" if odd[0] in wanted else "the split, but not in the manifest"
        )
        raise DatasetError(f"The file {odd[0]!r} is in {where}: {AGAIN}.")
    return {path: wanted[file] for file, path in found.items()}


def content(path: Path, entry: Mapping[str, Any]) -> bytes:
    """
    Read a file that the manifest lists.

    Raises
    ------
    DatasetError
        When its content is another.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DatasetError(f"The file {entry['file']!r} is not the one that the manifest lists: {AGAIN}.")
    return data


def check_splits(folders: Iterable[tuple[str, Path]], manifest: Mapping[str, Any]) -> None:
    """
    See that splits, each given by its name and folder, hold what the manifest lists, by name and content.

    Raises
    ------
    DatasetError
        Naming the first file that does not fit.
    """
    for split, folder in folders:
        files = listed(folder, split, manifest, manifest["classes"])
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for _ in pool.map(lambda path, entry: len(content(path, entry)), files.keys(), files.values()):
                pass
