"""Layouts of folders: the staging job, the settings and the demo read each the same way."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from classifier import labels
from lambda_src.naming import CLASS_NAME
from scones.demo.data import inspect
from scones.errors import DataError
from stacks.settings.data import FolderData
from training.drawings import draw
from training.errors import SourceError
from training.staging.candidates import choose_classes
from training.staging.dataset import build_dataset
from training.staging.folder import open_folder
from training.staging.layout import PICTURE_SUFFIXES, read_layout

Files = dict[str, tuple[str, str | None]]
CLASSES = ("bicycle", "motorcycle")
FLAT: Files = {f"{name}/{number}.png": (name, None) for name in CLASSES for number in range(2)}


def split(folder: str, as_split: str | None) -> Files:
    """Return the files of a split's folder, with the class and split that they are to have."""
    return {f"{folder}/{file}": (label, as_split) for file, (label, _) in FLAT.items()}


def below(folder: str, files: Files) -> Files:
    return {f"{folder}/{file}": place for file, place in files.items()}


SPLIT = {**split("train", "train"), **split("test", "test")}
LAYOUTS: dict[str, tuple[Files, tuple[str, ...]]] = {
    "flat": (FLAT, ()),
    "days below the classes": ({file.replace("/", "/day/"): place for file, place in FLAT.items()}, ()),
    "a note beside the classes": (FLAT, ("README.md",)),
    "below one folder": (below("data", FLAT), ()),
    "below two": (below("my/data", FLAT), ()),
    "a note beside the one folder": (below("data", FLAT), ("README.md",)),
    "a note in the one folder": (below("data", FLAT), ("data/README.md",)),
    "papers beside the one folder": (below("data", FLAT), ("docs/en/README.md", "docs/de/README.md")),
    "train and test": (SPLIT, ()),
    "a table beside the splits": (below("ds", SPLIT), ("ds/labels.csv", "LICENSE")),
    "train alone": (split("train", None), ()),
    "train alone, below one folder": (below("ds", split("train", None)), ()),
    "all three": ({**SPLIT, **split("validation", "validation")}, ()),
    "all three, as others write them": (
        {**split("Training", "train"), **split("valid", "validation"), **split("TESTING", "test")},
        (),
    ),
    "no test": ({**split("train", None), **split("val", "validation")}, ()),
    "pictures of no class beside the splits": (SPLIT, ("unlabelled/0.png", "unlabelled/misc/0.png")),
    "notes alone beside train": ({**split("train", None)}, ("test/notes/0.txt",)),
    "tables of the classes beside the splits": (SPLIT, ("annotations/bicycle/0.xml",)),
    "what systems leave": (FLAT, ("__MACOSX/bicycle/._0.png", ".DS_Store", "bicycle/Thumbs.db")),
}


def write(root: Path, files: Files, strays: tuple[str, ...]) -> Path:
    """Draw a picture for each file."""
    for number, (file, (label, _)) in enumerate(files.items()):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        draw(label, 1, number).save(root / file)
    for file in strays:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def refused_by_all(root: Path, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_folder(root, CLASSES)
    with pytest.raises(ValueError, match=message):
        FolderData(kind="folder", path=root).known()
    with pytest.raises(DataError, match=message):
        inspect(root)


@pytest.mark.parametrize(("files", "strays"), LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_layout_tells_each_pictures_class_and_split(
    tmp_path: Path, files: Files, strays: tuple[str, ...], packed: bool
) -> None:
    root = write(tmp_path / "source", files, strays)
    if packed:
        with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
            for path in sorted(root.rglob("*")):
                archive.write(path, path.relative_to(root))
        shutil.rmtree(root)
        root.mkdir()
        (tmp_path / "pictures.zip").rename(root / "pictures.zip")
    classes, candidates = open_folder(root, ())
    assert classes == CLASSES
    assert {each.file: (each.label, each.split) for each in candidates} == files


@pytest.mark.parametrize(("files", "strays"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_settings_and_the_demo_find_what_staging_finds(
    tmp_path: Path,
    files: Files,
    strays: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = write(tmp_path, files, strays)
    assert FolderData(kind="folder", path=root).known() == frozenset(CLASSES)
    monkeypatch.setattr("scones.demo.data.MINIMUM", 1)
    found = inspect(root)
    assert found.classes == Counter(label for label, _ in files.values())
    assert found.unreadable == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {**SPLIT, **split("holdout", None)},
            r"has pictures of 'bicycle' in 'holdout' .* call it 'validation' or 'test', or take it away",
        ),
        ({**SPLIT, "holdout/Bicycle/0.png": ("bicycle", None)}, "has pictures of 'Bicycle' in 'holdout'"),
        (
            {**split("val", None), **split("test", None)},
            "has test and val and no folder of training pictures",
        ),
    ],
)
def test_a_folder_whose_splits_cannot_be_told_is_refused_by_all(
    tmp_path: Path, files: Files, message: str
) -> None:
    root = write(tmp_path, files, ())
    refused_by_all(root, message)


@pytest.mark.parametrize("odd", ["Bicycle/0.png", "train/Bicycle/0.png", "test/Bicycle/0.png"])
def test_a_class_in_two_spellings_is_refused_by_all(tmp_path: Path, odd: str) -> None:
    files = SPLIT if "/B" in odd else FLAT
    root = write(tmp_path, {**files, odd: ("bicycle", None)}, ())
    message = "spells one class in several ways, 'Bicycle' and 'bicycle'"
    refused_by_all(root, message)


def test_an_archive_that_spells_a_class_in_two_ways_is_refused_unless_nobody_asks_for_it() -> None:
    names = ["Bus", "bicycle", "bus", "motorcycle"]
    assert choose_classes(names, CLASSES, "archive") == CLASSES
    for wanted in ((), ("bus", "bicycle")):
        with pytest.raises(
            SourceError, match="The archive spells one class in several ways, 'Bus' and 'bus'"
        ):
            choose_classes(names, wanted, "archive")


def test_class_names_are_what_can_label_a_model() -> None:
    assert CLASS_NAME.pattern == labels._NAME.pattern


def test_one_class_is_named_by_its_own_folder(tmp_path: Path) -> None:
    root = write(tmp_path, {"bicycle/day/0.png": ("bicycle", None)}, ("README.md",))
    with pytest.raises(SourceError, match="one class only, 'bicycle'"):
        open_folder(root, ())


def test_files_without_a_suffix_are_as_good() -> None:
    names = [PurePosixPath("data", label, "0") for label in CLASSES]
    assert [place and place.label for place in read_layout(names)] == list(CLASSES)


def test_a_source_without_a_test_split_has_one_made_of_its_training_pictures(tmp_path: Path) -> None:
    for name, count in (("train", 24), ("val", 6)):
        for label in CLASSES:
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(count):
                path = tmp_path / name / label / f"{number}.png"
                draw(label, 1 if name == "train" else 2, number).save(path)
    classes, candidates = open_folder(tmp_path, ())
    dataset, _ = build_dataset("folder", classes, candidates, drawings=True, log=lambda line: None)
    placed = {(Path(each.original).parts[0], each.split) for each in dataset.pictures}
    assert {("train", "train"), ("train", "test"), ("val", "validation")} <= placed
    assert not {("val", "train"), ("val", "test")} & placed


def test_the_suffixes_are_those_of_the_formats() -> None:
    Image.init()
    assert {Image.EXTENSION[each] for each in PICTURE_SUFFIXES} <= {
        *("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
    }
