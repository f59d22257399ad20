"""An archive stays within its folder, whatever Python unpacks it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from localcloud.archives import extract


def _packed(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarFile:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, 1 if kind == tarfile.REGTYPE else 0, "/etc/passwd"
        archive.addfile(entry, io.BytesIO(b"x"))
    packed.seek(0)
    return tarfile.open(fileobj=packed)


@pytest.fixture(params=["with filters", "without"], autouse=True)
def _python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def test_a_file_is_unpacked(tmp_path: Path) -> None:
    extract(_packed("deep/a.txt"), tmp_path)
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "kind"), [("../a.txt", tarfile.REGTYPE), ("a", tarfile.SYMTYPE), ("a", tarfile.FIFOTYPE)]
)
def test_what_leaves_the_folder_or_is_no_file_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    with pytest.raises(tarfile.TarError):
        extract(_packed(name, kind), tmp_path / "in")
    assert not (tmp_path / "a.txt").exists()
