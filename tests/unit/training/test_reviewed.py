"""Reviewed pictures in a dataset: their splits, what the source says, and versions without any."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from training.drawings import draw_candidates
from training.staging.candidates import REVIEWED, SOURCE, Candidate
from training.staging.dataset import Dataset, build_dataset
from training.staging.job import main
from training.staging.report import page
from training.staging.reviewed import reviewed_candidates
from training.staging.splitting import position

CLASSES = ("a", "b")


def textured(number: int, factor: float = 1.0) -> bytes:
    """Draw noise: a hash of gradients tells any two apart, and not one from a brighter copy."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(40, 200, (32, 32, 3), dtype=np.uint8)
    ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(factor).save(buffer, "PNG")
    return buffer.getvalue()


def source(count: int = 60, split: str | None = None) -> list[Candidate]:
    return [Candidate(f"{n}.png", CLASSES[n % 2], textured(n), split) for n in range(count)]


def reviewed(number: int, label: str = "a", factor: float = 1.0) -> Candidate:
    return Candidate(f"reviewed/{label}/{number}", label, textured(number, factor), origin=REVIEWED)


def built(given: list[Candidate], known: dict[str, str] | None = None) -> Dataset:
    return build_dataset("folder", CLASSES, given, known=known, log=lambda line: None)[0]


def own_splits() -> list[Candidate]:
    """Make a source that splits itself, as CIFAR-100 does."""
    return [
        Candidate(f"{n}.png", CLASSES[n % 2], textured(n), "test" if n < 12 else "train") for n in range(60)
    ]


def test_the_split_is_ours_to_make_though_the_source_brings_its_own() -> None:
    dataset = built([*own_splits(), *(reviewed(number) for number in range(1000, 1200))])
    mine = [picture for picture in dataset.pictures if picture.origin == REVIEWED]
    assert len(mine) == dataset.reviewed == 200
    for picture in mine:
        where = position(picture.pixels)
        assert picture.split == ("test" if where < 0.2 else "validation" if where < 0.35 else "train")
    assert {picture.split for picture in mine} == {"train", "validation", "test"}


def test_the_sources_pictures_keep_their_splits_when_reviewed_ones_come() -> None:
    before = built(own_splits())
    twins = [reviewed(number, CLASSES[number % 2], 1.02) for number in range(60)]
    known = {picture.pixels: picture.split for picture in before.pictures}
    after = built([*own_splits(), *twins], known)
    splits = {picture.pixels: picture.split for picture in after.pictures if picture.origin == SOURCE}
    assert splits == known
    by_group = {(picture.group, picture.split) for picture in after.pictures}
    assert len(by_group) == len({picture.group for picture in after.pictures})
    assert after.reviewed == 60
    # With no index to remember them, what the source gives for training is still never drawn into the test split.
    forgotten = built([*own_splits(), *twins])
    assert (len(forgotten.pictures), forgotten.rejects) == (120, ())


def test_a_reviewed_picture_keeps_its_split_and_the_source_joins_it() -> None:
    first = built([*own_splits(), *(reviewed(number) for number in range(1000, 1100))])
    known = {picture.pixels: picture.split for picture in first.pictures}
    twins = [Candidate(f"late{n}.png", "a", textured(n, 1.02), "train") for n in range(1000, 1100)]
    second = built([*own_splits(), *(reviewed(number) for number in range(1000, 1100)), *twins], known)
    assert {p.pixels: p.split for p in second.pictures if p.pixels in known} == known
    assert not [p for p in second.pictures if p.original.startswith("late") and p.split == "test"]


def test_the_version_is_that_of_before_when_there_is_no_reviewed_picture() -> None:
    # As it was before there were any: a deployment must not train anew because of this.
    assert built(source()).version == "4f132982381fd918"
    assert built([*source(), reviewed(1000)]).version != built(source()).version


def test_a_copy_of_the_sources_picture_changes_nothing() -> None:
    assert built([*source(), reviewed(0, "a")]).version == built(source()).version
    assert built([reviewed(0, "a"), *source()]).reviewed == 0


def test_what_the_source_says_stands_when_people_say_otherwise() -> None:
    dataset = built([*source(), reviewed(0, "b")])
    assert dataset.version == built(source()).version
    (reject,) = dataset.rejects
    assert (reject.file, reject.reason) == (
        "reviewed/b/0",
        "the source has the same picture in the class a",
    )


def test_copies_of_a_reviewed_picture_stay_in_one_split_beside_drawings_too() -> None:
    drawn = draw_candidates(("bicycle", "good"), 20, 0)[1]
    given = [replace(each, label=CLASSES[each.label == "good"]) for each in drawn]
    given += [reviewed(number, factor=factor) for number in range(40) for factor in (1.0, 1.05)]
    dataset = build_dataset("drawings", CLASSES, given, drawings=True, log=lambda line: None)[0]
    groups = Counter((each.group, each.split) for each in dataset.pictures if each.origin == REVIEWED)
    assert set(groups.values()) == {2}
    assert len({group for group, _ in groups}) == 40


def test_people_who_contradict_each_other_are_both_set_aside() -> None:
    dataset = built([*source(), reviewed(1000, "a"), reviewed(1000, "b")])
    assert [each.reason for each in dataset.rejects] == ["the same picture is in the classes a and b"] * 2


def test_folders_that_are_no_class_are_set_aside_with_a_reason(tmp_path: Path) -> None:
    for place in ("_", "a/2026-11-25/d1", "tram/d2"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(textured(1000))
    found = list(reviewed_candidates(tmp_path, CLASSES))
    assert [(each.file, each.origin, each.damage) for each in found] == [
        ("reviewed/a/2026-11-25/d1", REVIEWED, ""),
        ("reviewed/tram/d2", REVIEWED, "people called it 'tram', which is none of the classes a, b"),
    ]
    assert list(reviewed_candidates(tmp_path / "absent", CLASSES)) == []


def test_the_report_counts_them() -> None:
    dataset, files = build_dataset("folder", CLASSES, [*source(), reviewed(1000)], log=lambda line: None)
    assert "of which people classified 1 since a model is live" in page(dataset, files)


def test_the_job_stages_and_counts_them(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    for place in (
        "reviewed/a/2026-11-25/d1",
        "reviewed/b/d2",
        *(f"source/{CLASSES[n % 2]}/{n}.png" for n in range(40)),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(textured(int(path.stem) if path.suffix else 2000 + len(list(tmp_path.rglob("d*")))))
    places = {
        "input": "source",
        **{name: name for name in ("index", "reviewed", "dataset", "splits", "summary")},
    }
    arguments = [word for name, folder in places.items() for word in (f"--{name}", str(tmp_path / folder))]
    assert main(["--source", "folder", "--classes", "a,b", *arguments]) == 0
    summary = json.loads((tmp_path / "summary" / "summary.json").read_text())
    manifest = json.loads((tmp_path / "dataset" / summary["version"] / "manifest.json").read_text())
    assert summary["reviewed"] == manifest["reviewed"] == 2
    assert sorted(p["original"] for p in manifest["images"] if p["origin"] == REVIEWED) == [
        "reviewed/a/2026-11-25/d1",
        "reviewed/b/d2",
    ]
    # The next one of the same version takes the place of its splits in the index, and they are remembered still.
    (found,) = (tmp_path / "splits").iterdir()
    splits = found.read_bytes()
    assert json.loads(splits) == {each["pixels"]: each["split"] for each in manifest["images"]}
    found.rename(tmp_path / "index" / found.name)
    (tmp_path / "index" / summary["version"]).touch()
    assert main(["--source", "folder", "--classes", "a,b", *arguments]) == 0
    assert found.read_bytes() == splits
