from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from classifier import preprocessing
from scones.demo.data import FORMATS, MINIMUM, Pictures, inspect, known_classifier
from scones.demo.overlay import check, overlay, target_error, write
from scones.errors import DataError
from scones.target import ROOT
from stacks.settings import load

KNOWN: dict[str, Any] = {"routes": {"bicycle": "near", "motorcycle": "far"}, "target_error": 0.01}


def fill(root: Path, name: str, count: int = MINIMUM) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(root / name / f"{index} é.png")


def test_pictures_are_counted_when_the_folder_is_good(tmp_path: Path) -> None:
    root = tmp_path / "a folder"
    fill(root, "bicycle")
    fill(root, "motorcycle", MINIMUM + 2)
    (root / "bicycle" / "broken.png").write_bytes(b"\x89PNG nonsense")
    (root / "bicycle" / "empty.jpg").touch()
    found = inspect(root)
    assert found.classes == {"bicycle": MINIMUM, "motorcycle": MINIMUM + 2}
    assert found.unreadable == ("bicycle/broken.png", "bicycle/empty.jpg")
    assert found.path.is_absolute()


def test_the_splits_are_counted_together_when_given(tmp_path: Path) -> None:
    for split in ("train", "test"):
        fill(tmp_path / split, "cat")
        fill(tmp_path / split, "dog")
    assert inspect(tmp_path).classes == {"cat": 2 * MINIMUM, "dog": 2 * MINIMUM}


def test_a_relative_path_works_when_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "d", "cat")
    fill(tmp_path / "d", "dog")
    monkeypatch.chdir(tmp_path)
    assert inspect(Path("d")).path == (tmp_path / "d").resolve()


def test_one_sentence_is_said_when_the_folder_cannot_be_used(tmp_path: Path) -> None:
    def said(folder: Path) -> str:
        with pytest.raises(DataError) as caught:
            inspect(folder)
        return str(caught.value)

    assert "does not exist" in said(tmp_path / "absent")
    (tmp_path / "file").touch()
    assert "is not a folder" in said(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "no class folders" in said(tmp_path / "empty")
    fill(tmp_path / "one", "cat")
    assert "one class only, cat" in said(tmp_path / "one")
    for name in ("cat", "dog"):
        (tmp_path / "bad" / name).mkdir(parents=True)
        (tmp_path / "bad" / name / "x.png").write_text("no picture")
    assert "no picture that can be read" in said(tmp_path / "bad")
    fill(tmp_path / "few", "cat")
    fill(tmp_path / "few", "dog", 2)
    assert "dog has 2 readable pictures" in said(tmp_path / "few")
    fill(tmp_path / "named", "cat")
    fill(tmp_path / "named", "big dog")
    assert "'big dog' may hold" in said(tmp_path / "named")
    (tmp_path / "named" / "big dog").rename(tmp_path / "named" / "_dog")
    assert "'_dog' may hold letters, digits, '_', '.' and '-' only, a letter or digit first" in said(
        tmp_path / "named"
    )


def test_a_class_with_test_pictures_alone_is_named(tmp_path: Path) -> None:
    for name in ("train/bicycle", "train/motorcycle", "test/bicycle", "test/tricycle"):
        fill(tmp_path, name)
    with pytest.raises(DataError, match="The class tricycle has test pictures and none to train on"):
        inspect(tmp_path)


def test_a_file_name_that_is_no_text_is_refused_before_anything_starts(tmp_path: Path) -> None:
    for name in ("bicycle", "motorcycle"):
        (tmp_path / name).mkdir()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "bicycle") + b"/br\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    with pytest.raises(DataError, match="is not valid UTF-8: rename the file"):
        inspect(tmp_path)


def test_an_unknown_classifier_is_named_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="vehicles"):
        known_classifier("dev", "planes")


def test_the_overlay_reads_back_the_same_when_paths_are_odd(tmp_path: Path) -> None:
    root = tmp_path / 'a "quoted" \\ folder é'
    fill(root, "bicycle")
    fill(root, "motorcycle")
    settings = overlay("scone-defects", KNOWN, inspect(root), fast=True)
    write(settings, tmp_path / "settings.toml")
    assert tomllib.loads((tmp_path / "settings.toml").read_text()) == settings
    assert settings["classifier"]["scone-defects"]["data"]["path"] == str(root.resolve())


def test_routes_stay_when_the_classes_are_known_and_else_bear_the_classs_name(tmp_path: Path) -> None:
    fill(tmp_path / "same", "motorcycle")
    fill(tmp_path / "same", "bicycle")
    same = overlay("vehicles", KNOWN, inspect(tmp_path / "same"), fast=False)
    assert list(same["classifier"]["vehicles"]["routes"].items()) == [
        ("bicycle", "near"),
        ("motorcycle", "far"),
    ]
    fill(tmp_path / "other", "bicycle")
    fill(tmp_path / "other", "van")
    other = overlay("vehicles", KNOWN, inspect(tmp_path / "other"), fast=False)
    assert other["classifier"]["vehicles"]["routes"] == {"bicycle": "near", "van": "van"}


def test_the_target_is_loosened_to_what_so_few_pictures_can_support() -> None:
    def aimed(count: int) -> float:
        return target_error(Pictures(Path(), {"bicycle": count // 2, "motorcycle": count // 2}, ()), 0.01)

    assert aimed(1000) == 0.01
    assert aimed(100) == pytest.approx(0.042)


def test_drawings_are_used_when_there_is_no_folder() -> None:
    chosen = overlay("vehicles", KNOWN, None, fast=False)["classifier"]["vehicles"]
    assert chosen["data"]["kind"] == "drawings"
    assert "routes" not in chosen


def test_the_settings_accept_the_overlay_when_synthesized(tmp_path: Path) -> None:
    for fast in (False, True):
        write(overlay("vehicles", KNOWN, None, fast=fast), tmp_path / "settings.toml")
        settings = load(ROOT / "tests" / "environments", "dev", overlay=tmp_path / "settings.toml")
        assert settings.classifier["vehicles"].data.kind == "drawings"
        assert settings.classifiers == ("vehicles",)


def test_what_could_not_be_deployed_is_refused_before_anything_starts(tmp_path: Path) -> None:
    fill(tmp_path, "0")
    fill(tmp_path, "1")
    with pytest.raises(
        DataError, match=r"cannot be deployed so: .*routes: the class name .0. means something else"
    ):
        check(overlay("vehicles", KNOWN, inspect(tmp_path), fast=False), "dev")


def test_what_the_demo_counts_is_what_the_model_decodes() -> None:
    assert FORMATS == preprocessing.FORMATS


@pytest.mark.parametrize("name", [b"x\xffy", b"x\x7fy"])
def test_a_folder_whose_own_name_is_no_text_is_refused(tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    with pytest.raises(DataError, match="holds characters that are no text"):
        inspect(folder)
