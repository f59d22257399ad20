"""Staging: what a source may look like, what is set aside, and that splits never move."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tracemalloc
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from classifier.errors import LabelsError
from training.drawings import CLASSES, draw, draw_candidates
from training.errors import SourceError
from training.staging.candidates import Candidate
from training.staging.dataset import Dataset, build_dataset
from training.staging.fingerprints import difference_hash, group_near
from training.staging.folder import open_folder
from training.staging.job import main
from training.staging.report import page


def picture(number: int, label: str) -> bytes:
    buffer = io.BytesIO()
    draw(label, 1, number).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for label in ("bicycle", "motorcycle"):
        (root / label).mkdir()
        for number in range(24):
            (root / label / f"{number}.png").write_bytes(picture(number, label))
    return root


def staged(root: Path, wanted: tuple[str, ...] = ("bicycle", "motorcycle")) -> Dataset:
    classes, candidates = open_folder(root, wanted)
    dataset, _ = build_dataset("folder", classes, candidates, drawings=True, log=lambda line: None)
    return dataset


def test_every_picture_lands_in_one_split(pictures: Path) -> None:
    dataset = staged(pictures)
    assert len(dataset.pictures) == 48
    assert {picture.split for picture in dataset.pictures} == {"train", "validation", "test"}
    assert len({picture.sha256 for picture in dataset.pictures}) == 48


def test_the_version_is_that_of_the_content_when_files_are_renamed(pictures: Path, tmp_path: Path) -> None:
    for label in ("bicycle", "motorcycle"):
        (tmp_path / label).mkdir()
        for path in (pictures / label).iterdir():
            (tmp_path / label / f"renamed-{path.name}").write_bytes(path.read_bytes())
    assert staged(tmp_path).version == staged(pictures).version


def test_a_picture_keeps_its_split_when_the_data_grows(pictures: Path, tmp_path: Path) -> None:
    before = {p.sha256: p.split for p in staged(pictures).pictures}
    for label in ("bicycle", "motorcycle"):
        (tmp_path / label).mkdir()
        for path in (pictures / label).iterdir():
            (tmp_path / label / path.name).write_bytes(path.read_bytes())
        for number in range(24, 40):
            (tmp_path / label / f"{number}.png").write_bytes(picture(number, label))
    after = {p.sha256: p.split for p in staged(tmp_path).pictures}
    assert len(after) == 80
    assert {sha: after[sha] for sha in before} == before


def nearly(content: bytes, factor: float = 1.02) -> bytes:
    buffer = io.BytesIO()
    ImageEnhance.Brightness(Image.open(io.BytesIO(content)).convert("RGB")).enhance(factor).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def candidates(contents: Iterable[tuple[str, bytes]]) -> list[Candidate]:
    return [Candidate(f"{number}.png", label, data) for number, (label, data) in enumerate(contents)]


def textured(number: int) -> bytes:
    """Draw noise: a hash of gradients tells any two apart, and not one from a brighter copy."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(40, 200, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def built(given: list[Candidate], known: dict[str, str] | None = None) -> Dataset:
    return build_dataset("folder", ("a", "b"), given, known=known, log=lambda line: None)[0]


def test_pictures_keep_their_splits_when_near_duplicates_join_them() -> None:
    old = [("ab"[number % 2], textured(number)) for number in range(60)]
    first = built(candidates(old))
    before = {p.pixels: p.split for p in first.pictures}
    more = [(label, nearly(content)) for label, content in old]
    second = built(candidates([*old, *more]), before)
    after = {p.pixels: p.split for p in second.pictures}
    assert len(after) == 120
    assert {pixels: after[pixels] for pixels in before} == before
    assert len({(p.group, p.split) for p in second.pictures}) == len({p.group for p in second.pictures}) == 60


def blend(first: bytes, second: bytes, rows: int) -> bytes:
    """Return the second picture with its upper rows from the first."""
    upper, lower = (np.asarray(Image.open(io.BytesIO(content))) for content in (first, second))
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate([upper[:rows], lower[rows:]])).save(buffer, "PNG")
    return buffer.getvalue()


def hashes(*contents: bytes) -> list[NDArray[np.uint8] | None]:
    return [difference_hash(Image.open(io.BytesIO(content))) for content in contents]


def test_a_newcomer_that_would_tie_splits_together_is_set_aside() -> None:
    old = [("ab"[number % 2], textured(number)) for number in range(60)]
    first, second = old[0][1], blend(textured(99), old[0][1], 10)
    between = blend(textured(99), first, 4)
    assert group_near(hashes(first, second)) == [0, 1]
    assert group_near(hashes(first, second, between)) == [0, 0, 0]
    old.append(("a", second))
    before = {p.pixels: p.split for p in built(candidates(old)).pictures}
    ends = {p.original: p.pixels for p in built(candidates(old)).pictures}
    apart = {ends["0.png"]: "train", ends["60.png"]: "test"}
    dataset = built(candidates([*old, ("a", between)]), before | apart)
    assert {p.pixels: p.split for p in dataset.pictures} == before | apart
    assert [reject.file for reject in dataset.rejects] == ["61.png"]
    assert len({(p.group, p.split) for p in dataset.pictures}) == len({p.group for p in dataset.pictures})


@pytest.mark.parametrize("was", ["test", "validation"])
def test_a_picture_that_is_back_keeps_its_split_and_the_copy_that_came_meanwhile_is_set_aside(
    was: str,
) -> None:
    old = [("ab"[number % 2], textured(number)) for number in range(60)]
    whole = built(candidates(old))
    known = {p.pixels: p.split for p in whole.pictures}
    back = next(p for p in whole.pictures if p.split == was)
    copy = ("a" if back.label == "a" else "b", nearly(old[int(back.original.removesuffix(".png"))][1]))
    away = [each for number, each in enumerate(old) if f"{number}.png" != back.original]
    meanwhile = built(candidates([*away, copy]), known)
    (came,) = [p for p in meanwhile.pictures if p.pixels not in known]
    # As the hash of its group may have it.
    known |= {came.pixels: "train"}
    dataset = built(candidates([*old, copy]), known)
    assert {p.pixels: p.split for p in dataset.pictures} == {p.pixels: p.split for p in whole.pictures}
    (reject,) = dataset.rejects
    assert reject.file == "60.png"
    assert f"nearly the same as a picture of the {was} split" in reject.reason


def test_of_a_chain_only_what_is_near_a_later_split_is_set_aside() -> None:
    old = [("ab"[number % 2], textured(number)) for number in range(60)]
    first, last = old[0][1], blend(textured(99), old[0][1], 10)
    between = blend(textured(99), first, 6)
    assert [group_near(hashes(*pair)) for pair in ((first, last), (first, between), (between, last))] == [
        [0, 1],
        [0, 0],
        [0, 0],
    ]
    every = candidates([*old, ("a", between), ("a", last)])
    known = {p.pixels: p.split for p in built(every[:60]).pictures}
    chain = {
        p.original: p.pixels for p in built(every).pictures if p.original in ("0.png", "60.png", "61.png")
    }
    known |= {chain["0.png"]: "test", chain["60.png"]: "train", chain["61.png"]: "train"}
    dataset = built(every, known)
    assert [reject.file for reject in dataset.rejects] == ["60.png"]
    assert {p.pixels: p.split for p in dataset.pictures}[chain["61.png"]] == "train"


def test_unreadable_files_are_set_aside_with_a_reason(pictures: Path, tmp_path: Path) -> None:
    for label in ("bicycle", "motorcycle"):
        (tmp_path / label).mkdir()
        for path in (pictures / label).iterdir():
            (tmp_path / label / path.name).write_bytes(path.read_bytes())
    (tmp_path / "bicycle" / "broken.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "bicycle" / "notes.txt").write_text("not a picture")
    (tmp_path / "bicycle" / "copy.png").write_bytes((tmp_path / "bicycle" / "0.png").read_bytes())
    # Noise does not shrink: more than an endpoint, and so training, takes of one picture.
    large = Image.frombytes("RGB", (1600, 1600), np.random.default_rng(0).bytes(1600 * 1600 * 3))
    large.save(tmp_path / "bicycle" / "large.png")
    dataset = staged(tmp_path)
    assert len(dataset.pictures) == 48
    wanted = {"bicycle/broken.png", "bicycle/notes.txt", "bicycle/large.png"}
    assert {reject.file for reject in dataset.rejects} == wanted
    assert all(reject.reason for reject in dataset.rejects)
    assert dataset.duplicates == 1


def test_a_given_test_split_is_honoured_and_a_zip_is_as_good_as_a_folder(
    pictures: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for label in ("bicycle", "motorcycle"):
            for path in (pictures / label).iterdir():
                split = "test" if int(path.stem) < 6 else "train"
                archive.write(path, f"{split}/{label}/{path.name}")
    dataset = staged(tmp_path)
    assert sum(p.split == "test" for p in dataset.pictures) == 12
    assert {p.original.split("/")[0] for p in dataset.pictures if p.split == "test"} == {"test"}


def test_a_damaged_member_of_a_zip_is_set_aside(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for label in ("bicycle", "motorcycle"):
            for file in (pictures / label).iterdir():
                archive.write(file, f"{label}/{file.name}")
    content = (pictures / "bicycle" / "3.png").read_bytes()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(content, content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]))
    dataset = staged(tmp_path)
    assert len(dataset.pictures) == 47
    assert [(reject.file, "cannot be read" in reject.reason) for reject in dataset.rejects] == [
        ("bicycle/3.png", True)
    ]


def zipped(pictures: Path, path: Path, packing: int, prefix: str = "") -> bytes:
    """Pack class folders, and return the zip file's bytes."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for label in ("bicycle", "motorcycle"):
            for file in sorted((pictures / label).iterdir()):
                archive.writestr(f"{prefix}{label}/{file.name}", file.read_bytes())
    return path.read_bytes()


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_is_set_aside(pictures: Path, tmp_path: Path, packing: int) -> None:
    path = tmp_path / "pictures.zip"
    whole = zipped(pictures, path, packing)
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[3]
    middle = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    path.write_bytes(
        whole[:middle] + bytes(each ^ 255 for each in whole[middle : middle + 40]) + whole[middle + 40 :]
    )
    dataset = staged(tmp_path)
    assert [reject.file for reject in dataset.rejects] == [info.filename]
    assert len(dataset.pictures) == 47


@pytest.mark.parametrize("prefix", ["./", "mine//", "/"])
def test_members_are_found_by_odd_names(pictures: Path, tmp_path: Path, prefix: str) -> None:
    zipped(pictures, tmp_path / "pictures.zip", zipfile.ZIP_STORED, prefix)
    assert staged(tmp_path).version == staged(pictures).version


def test_a_member_that_lost_its_name_is_left_out(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    whole = zipped(pictures, path, zipfile.ZIP_STORED)
    name = whole.rindex(b"bicycle/3.png")
    path.write_bytes(whole[:name] + b"\0" + whole[name + 1 :])
    assert len(staged(tmp_path).pictures) == 47


def test_a_zip_that_is_damaged_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for label in ("bicycle", "motorcycle"):
            for number in range(4):
                archive.writestr(f"{label}/{number}.png", b"a picture" * 9)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(600):
        place, value = int(random.integers(len(whole))), int(random.integers(256))
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        # Whatever else is raised is a fault of ours.
        with contextlib.suppress(SourceError, LabelsError):
            assert all(each.data or each.damage for each in open_folder(tmp_path, ())[1])


def test_a_file_larger_than_a_picture_may_be_is_set_aside_unread(pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "bicycle" / "film.mp4").open("wb") as film:
        film.truncate(2**40)
    (reject,) = staged(tmp_path).rejects
    assert reject.file == "bicycle/film.mp4"
    assert reject.reason == "The file has more than the 6,291,456 bytes allowed."


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_unpacks_to_more_than_it_says_is_set_aside_before_it_does(
    pictures: Path, tmp_path: Path, packing: int
) -> None:
    path = tmp_path / "pictures.zip"
    zipped(pictures, path, zipfile.ZIP_STORED)
    size = 2**28 + 0x123457
    with zipfile.ZipFile(path, "a", packing) as archive:
        archive.writestr("bicycle/bomb.png", bytes(size))
    whole = path.read_bytes()
    assert whole.count(size.to_bytes(4, "little")) == 2
    path.write_bytes(whole.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        (reject,) = staged(tmp_path).rejects
        assert tracemalloc.get_traced_memory()[1] < size // 2
    finally:
        tracemalloc.stop()
    assert reject.file == "bicycle/bomb.png"


def test_a_name_that_is_no_text_can_be_told(pictures: Path, tmp_path: Path) -> None:
    source, index = tmp_path / "source", tmp_path / "index"
    shutil.copytree(pictures, source)
    index.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(source / "bicycle") + b"/caf\xe9.png")).write_bytes(b"no picture")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    places = {name: str(tmp_path / name) for name in ("index", "dataset", "splits", "summary", "message")}
    words = [word for name, place in places.items() for word in (f"--{name}", place)]
    reviewed = tmp_path / "reviewed" / "bicycle" / "2026-01-01"
    reviewed.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(reviewed) + b"/\xff.png")).write_bytes(b"no picture")
    with (reviewed / "film.mp4").open("wb") as film:
        film.truncate(2**40)
    words += ["--reviewed", str(tmp_path / "reviewed")]
    assert main(["--source", "folder", "--input", str(source), *words]) == 0
    report = (tmp_path / "summary" / "report.html").read_text()
    assert "reviewed/bicycle/2026-01-01/\\udcff.png" in report
    assert "reviewed/bicycle/2026-01-01/film.mp4" in report
    assert "bicycle/caf\\udce9.png" in report


@pytest.mark.parametrize(
    ("folders", "message"),
    [([], "empty"), (["bicycle"], "one class only"), (["bicycle", "truck"], "'motorcycle' is missing")],
)
def test_one_sentence_says_what_is_wrong_with_a_source(
    tmp_path: Path, folders: list[str], message: str
) -> None:
    for label in folders:
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").write_bytes(picture(0, "bicycle"))
    wanted = () if len(folders) < 2 else ("bicycle", "motorcycle")
    with pytest.raises(SourceError, match=message):
        open_folder(tmp_path, wanted)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'nowhere' does not exist"):
        open_folder(tmp_path / "nowhere", ())


def test_a_class_with_too_few_pictures_is_refused(tmp_path: Path) -> None:
    for label in ("bicycle", "motorcycle"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.png").write_bytes(picture(number, label))
    with pytest.raises(SourceError, match="has 3 usable pictures"):
        staged(tmp_path)


def test_drawings_are_the_same_for_the_same_seed_and_differ_otherwise() -> None:
    for label in CLASSES:
        assert draw(label, 3, 1).tobytes() == draw(label, 3, 1).tobytes()
        assert draw(label, 3, 1).tobytes() != draw(label, 3, 2).tobytes()
    with pytest.raises(SourceError, match="missing in the drawings"):
        draw_candidates(["bicycle", "unicorn"], 5, 0)


def test_a_class_that_cannot_label_a_model_is_refused_before_training(pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures / "bicycle", tmp_path / "_bicycle")
    shutil.copytree(pictures / "motorcycle", tmp_path / "motorcycle")
    with pytest.raises(LabelsError, match="'_bicycle' cannot be used"):
        open_folder(tmp_path, ())


def test_copies_share_a_group_and_different_drawings_do_not() -> None:
    first, second = draw("bicycle", 1, 0), draw("motorcycle", 1, 0)
    larger = first.resize((first.width * 2, first.height * 2), Image.Resampling.BICUBIC)
    brighter = ImageEnhance.Brightness(first).enhance(1.1)
    hashes = [difference_hash(image) for image in (first, second, larger, brighter)]
    assert group_near(hashes) == [0, 1, 0, 0]


def on_plain_ground(number: int, share: float, ground: int) -> Image.Image:
    """Put one of many drawings on a plain ground, as photographs of products have it, each at its own place."""
    random = np.random.default_rng(number)
    drawing = draw("bicycle" if number % 2 else "motorcycle", 3, number)
    side = int(224 * share * random.uniform(0.85, 1.15))
    canvas = Image.new("RGB", (224, 224), (ground,) * 3)
    left, top = (int(each) for each in random.uniform(0.25, 0.75, 2) * (224 - side))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.paste(drawing.convert("RGB").resize((side, side)), (left, top), mask)
    return canvas


@pytest.mark.parametrize(("share", "ground"), [(0.3, 255), (0.4, 0), (0.5, 255)])
def test_different_objects_on_a_plain_ground_are_no_near_duplicates(share: float, ground: int) -> None:
    pictures = [on_plain_ground(number, share, ground) for number in range(120)]
    groups = group_near([difference_hash(each) for each in pictures])
    assert max(groups.count(group) for group in set(groups)) <= 4
    brighter = [ImageEnhance.Brightness(each).enhance(0.95) for each in pictures]
    together = group_near([difference_hash(each) for each in (*pictures, *brighter)])
    assert sum(together[number] == together[number + 120] for number in range(120)) >= 100


def test_no_picture_moves_when_its_source_begins_to_bring_a_test_split(
    pictures: Path, tmp_path: Path
) -> None:
    def version(known: dict[str, str]) -> dict[str, str]:
        classes, candidates = open_folder(tmp_path, ("bicycle", "motorcycle"))
        dataset, _ = build_dataset("folder", classes, candidates, known=known, log=lambda line: None)
        return {picture.pixels: picture.split for picture in dataset.pictures}

    for label in ("bicycle", "motorcycle"):
        shutil.copytree(pictures / label, tmp_path / "train" / label)
    first = version({})
    for label in ("bicycle", "motorcycle"):
        (tmp_path / "test" / label).mkdir(parents=True)
        for number in range(100, 106):
            (tmp_path / "test" / label / f"{number}.png").write_bytes(picture(number, label))
    second = version(first)
    shutil.rmtree(tmp_path / "test")
    third = version({**first, **second})
    assert "test" in first.values()
    assert len(second) == len(first) + 12
    assert {pixels: second[pixels] for pixels in first} == first == third


def test_what_was_tested_with_is_not_learnt_from_when_its_source_calls_it_validation() -> None:
    old = [("ab"[number % 2], textured(number)) for number in range(60)]
    before = {p.pixels: p.split for p in built(candidates(old)).pictures}
    source = [
        replace(each, split="validation" if number < 30 else "train")
        for number, each in enumerate(candidates(old))
    ]
    copies = [replace(each, data=nearly(each.data), file=f"copy-{each.file}") for each in source]
    after = {p.pixels: p.split for p in built([*source, *copies], before).pictures}
    tested = {pixels for pixels, split in before.items() if split == "test"}
    assert tested
    assert {after[pixels] for pixels in tested} == {"test"}
    assert sum(split == "test" for split in after.values()) == len(tested)


def test_a_class_of_near_duplicates_is_told_of(tmp_path: Path) -> None:
    for label in ("bicycle", "motorcycle"):
        (tmp_path / label).mkdir()
        for number in range(20):
            content = picture(number, label)
            if label == "bicycle" and number >= 8:
                content = nearly(picture(0, label), 1 + number / 500)
            (tmp_path / label / f"{number}.png").write_bytes(content)
    said: list[str] = []
    classes, candidates = open_folder(tmp_path, ("bicycle", "motorcycle"))
    build_dataset("folder", classes, candidates, log=said.append)
    assert any("pictures of 'bicycle', 1" in line and "near duplicates" in line for line in said), said
    assert not any("'motorcycle'," in line for line in said)


def test_flat_pictures_are_grouped_with_nothing() -> None:
    flat = [difference_hash(Image.new("RGB", (32, 32), grey)) for grey in ("white", "grey")]
    assert flat == [None, None]
    assert group_near(flat) == [0, 1]


def test_the_report_shows_classes_sizes_pictures_near_duplicates_and_what_was_set_aside(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    shutil.copytree(pictures, root)
    with Image.open(root / "bicycle" / "0.png") as image:
        ImageEnhance.Brightness(image.convert("RGB")).enhance(0.95).save(root / "bicycle" / "darker.png")
    (root / "motorcycle" / "<b>broken.jpg").write_bytes(b"no picture")
    classes, candidates = open_folder(root, ())
    dataset, files = build_dataset("folder", classes, candidates, log=lambda line: None)
    shown = page(dataset, files)
    assert "&lt;b&gt;broken.jpg" in shown
    assert "The classes are about balanced." in shown
    assert re.search(r"Near duplicates: [1-9]\d* groups", shown)
    assert "bicycle/darker.png" in shown
    assert shown.count("data:image/jpeg;base64,") > 24


@pytest.mark.parametrize("label", ["bicycle", "good"])
def test_four_classes_are_staged_as_two_are(label: str) -> None:
    classes, candidates = draw_candidates(("bicycle", "motorcycle", "good", "defective"), 12, 0)
    dataset, files = build_dataset("drawings", classes, candidates, drawings=True, log=lambda line: None)
    assert sum(dataset.counts()[label].values()) == 12
    assert page(dataset, files).count("<h3>") == 4
