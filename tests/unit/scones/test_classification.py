from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scones import classification
from scones.classification import as_json, classify
from scones.errors import FilesError, NotDeployedError
from scones.files import Image, expand, name_objects
from tests.unit.scones.fakes import FakeCloud, record


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "POLL_SECONDS", 0.0)


def images(folder: Path, *names: str) -> list[Image]:
    for name in names:
        (folder / name).write_bytes(b"picture")
    return name_objects([folder / name for name in names], "vehicles", batch="b")


def test_every_image_gets_its_own_decision_when_outcomes_differ(tmp_path: Path) -> None:
    def decide(name: str) -> dict[str, Any]:
        if name.endswith("a.png"):
            return record("routed", class_="bicycle", confidence=0.98, route="near", milliseconds=12)
        if name.endswith("b.png"):
            return record("review", class_="bicycle", confidence=0.6)
        return record("rejected", reason="It is not an image.")

    cloud = FakeCloud(decide=decide, looks_before=2)
    routed, review, rejected = classify(
        cloud.target(), images(tmp_path, "a.png", "b.png", "c.png"), patience=5
    )
    assert (routed.outcome, routed.predicted, routed.confidence, routed.route, routed.milliseconds) == (
        "routed",
        "bicycle",
        0.98,
        "near",
        12.0,
    )
    assert (review.outcome, review.route) == ("review", None)
    assert (rejected.outcome, rejected.reason) == ("rejected", "It is not an image.")
    assert routed.object == "s3://inbound/vehicles/b/a.png"
    assert json.loads(as_json([routed]))[0]["class"] == "bicycle"


def test_the_rest_is_given_up_when_nothing_more_is_decided(tmp_path: Path) -> None:
    cloud = FakeCloud(decide=lambda name: record("review") if "a.png" in name else None)
    first, second = classify(cloud.target(), images(tmp_path, "a.png", "b.png"), patience=0.05)
    assert (first.outcome, second.outcome) == ("review", None)


def test_it_says_which_stack_is_missing_when_nothing_is_deployed(tmp_path: Path) -> None:
    with pytest.raises(NotDeployedError, match="no stack scones-dev-data"):
        classify(FakeCloud(stacks={}).target(), images(tmp_path, "a.png"), patience=1)


def test_progress_is_told_when_images_are_sent_and_decided(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    classify(
        FakeCloud(decide=lambda name: record("review")).target(),
        images(tmp_path, "a.png", "b.png"),
        patience=1,
        on_sent=lambda done, total: told.append(("sent", done, total)),
        on_decided=lambda done, total: told.append(("decided", done, total)),
    )
    assert told == [("sent", 1, 2), ("sent", 2, 2), ("decided", 2, 2)]


@pytest.mark.parametrize("name", ["a b.png", "a+b%20.png", "自転車.png", "ünïcode.jpg", "a#b?.png"])
def test_the_key_ends_in_the_name_when_it_has_odd_characters(name: str) -> None:
    (image,) = name_objects([Path(name)], "vehicles", batch="b")
    assert image.key == f"vehicles/b/{name}"


def test_keys_differ_when_two_files_have_one_name() -> None:
    first, second, third = name_objects([Path("x/a.png"), Path("y/a.png"), Path("2")], "vehicles", batch="b")
    assert len({first.key, second.key, third.key}) == 3
    assert second.key.endswith("/a.png")


def test_keys_differ_when_a_file_is_sent_twice() -> None:
    assert name_objects([Path("a")], "vehicles")[0].key != name_objects([Path("a")], "vehicles")[0].key


def test_a_name_is_refused_when_the_key_would_be_too_long() -> None:
    with pytest.raises(FilesError, match="too long"):
        name_objects([Path("a" * 1100)], "vehicles")


def test_folders_give_their_images_when_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert expand([tmp_path]) == [tmp_path / "b.png", tmp_path / "sub" / "a.JPG"]
    assert expand([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]


def test_files_are_refused_when_missing_or_when_a_folder_has_no_image(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match="no file or folder"):
        expand([tmp_path / "absent.png"])
    with pytest.raises(FilesError, match="holds no image"):
        expand([tmp_path])
