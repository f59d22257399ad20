"""The official archive's format, served on loopback: whole, with a wrong checksum, and hostile."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import pickle
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from training.errors import UnsafeArchiveError
from training.staging.job import main
from training.staging.pickles import read_pickle

NAMES = [b"apple", b"bicycle", b"motorcycle"]
Serve = Callable[[bytes], tuple[str, str]]


class Hostile:
    """Would run a command where it is unpickled without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os  # noqa: PLC0415

        return os.system, ("touch /tmp/should-never-exist",)


def split(count: int) -> dict[bytes, object]:
    return {
        b"data": np.random.default_rng(count).integers(0, 256, (count, 3072), dtype=np.uint8),
        b"fine_labels": [number % 3 for number in range(count)],
        b"filenames": [f"picture_{number}.png".encode() for number in range(count)],
    }


def archive(train: object | None = None, names: object = NAMES) -> bytes:
    parts = {"meta": {b"fine_label_names": names}, "train": train or split(120), "test": split(60)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, part in parts.items():
            content = pickle.dumps(part, protocol=2)
            entry = tarfile.TarInfo(f"cifar-100-python/{name}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "cache").mkdir()
    contents: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = contents["archive"]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def serving(content: bytes) -> tuple[str, str]:
        contents["archive"] = content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return f"http://127.0.0.1:{server.server_port}/cifar.tar.gz", md5

    yield serving
    server.shutdown()
    server.server_close()


def stage(tmp_path: Path, url: str, md5: str) -> int:
    (tmp_path / "index").mkdir(exist_ok=True)
    folders = [
        part
        for name in ("index", "dataset", "splits", "summary")
        for part in (f"--{name}", str(tmp_path / name))
    ]
    source = ["--source", "cifar100", "--url", url, "--md5", md5, "--classes", "bicycle,motorcycle"]
    return main([*source, *folders, "--message", str(tmp_path / "message")])


def test_the_chosen_classes_are_staged_with_the_archives_own_test_split(tmp_path: Path, serve: Serve) -> None:
    assert stage(tmp_path, *serve(archive())) == 0
    summary = json.loads((tmp_path / "summary" / "summary.json").read_text())
    assert set(summary["classes"]) == {"bicycle", "motorcycle"}
    assert {counts["test"] for counts in summary["classes"].values()} == {20}
    assert (tmp_path / "dataset" / summary["version"] / "manifest.json").is_file()


def test_nothing_is_read_when_the_checksum_is_wrong(tmp_path: Path, serve: Serve) -> None:
    url, _ = serve(archive(train=Hostile()))
    assert stage(tmp_path, url, "0" * 32) == 1
    said = (tmp_path / "message").read_text().strip()
    assert "\n" not in said
    assert "0" * 32 in said or "checksum" in said.lower() or "MD5" in said
    assert not Path("/tmp/should-never-exist").exists()


def test_a_hostile_pickle_builds_nothing_when_the_checksum_is_right(tmp_path: Path, serve: Serve) -> None:
    assert stage(tmp_path, *serve(archive(train=Hostile()))) == 1
    assert "which no image data needs" in (tmp_path / "message").read_text()
    assert not Path("/tmp/should-never-exist").exists()


def test_a_pickle_that_changes_what_it_builds_with_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train"
    # GLOBAL _codecs.encode; (None, {"__defaults__": ()}); BUILD; and an empty dictionary as what it holds.
    path.write_bytes(b"c_codecs\nencode\n(N}X\x0c\x00\x00\x00__defaults__)stb0}.")
    with pytest.raises(UnsafeArchiveError, match="would change what it was given to build with"):
        read_pickle(path)


def test_a_label_without_a_name_is_refused(tmp_path: Path, serve: Serve) -> None:
    train = {
        b"data": np.zeros((2, 3072), dtype=np.uint8),
        b"fine_labels": [1, 77],
        b"filenames": [b"one.png", b"two.png"],
    }
    assert stage(tmp_path, *serve(archive(train=train))) == 1
    assert "the label 77 for 3 names" in (tmp_path / "message").read_text()


def nested() -> list[object]:
    """Return a list of ten thousand million numbers that a pickle holds in some hundred bytes."""
    made: list[object] = [0] * 100
    for _ in range(4):
        made = [made] * 100
    return made


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(train={**split(3), b"data": nested()}), "pixels that are no array"),
        (
            archive(train={**split(3), b"data": np.zeros((3, 3072), np.uint16)}),
            "uint16 pixels of shape (3, 3072)",
        ),
        (
            archive(train={**split(3), b"data": np.zeros((2, 3072), np.uint8)}),
            "pixels of shape (2, 3072) for 3 labels",
        ),
        (archive(train={**split(3), b"fine_labels": [1.9, 1.2, 2]}), "a label that is no whole number"),
        (archive(train={**split(3), b"filenames": [2**34, b"b", b"c"]}), "a name that is no text"),
        (archive(names=[2**34, b"bicycle", b"motorcycle"]), "a name that is no text"),
        (archive(names={b"bicycle": 1}), "fine_label_names that are no list"),
        (archive(names=[b"bicycle", b"bicycle", b"motorcycle"]), "a class that is named twice"),
    ],
)
def test_what_is_no_picture_label_or_name_is_refused_before_it_is_made_into_one(
    tmp_path: Path, serve: Serve, content: bytes, message: str
) -> None:
    tracemalloc.start()
    try:
        assert stage(tmp_path, *serve(content)) == 1
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    said = (tmp_path / "message").read_text().strip()
    assert message in said
    assert "\n" not in said


def test_text_is_as_good_a_name_as_bytes(tmp_path: Path, serve: Serve) -> None:
    assert stage(tmp_path, *serve(archive(names=["apple", "bicycle", "motorcycle"]))) == 0


def test_a_truncated_archive_is_refused(tmp_path: Path, serve: Serve) -> None:
    assert stage(tmp_path, *serve(archive()[:2000])) == 1
    assert (tmp_path / "message").read_text().strip()


def test_an_archive_that_was_damaged_before_its_checksum_was_made_is_refused(
    tmp_path: Path, serve: Serve
) -> None:
    whole = archive()
    for place in range(20, len(whole), len(whole) // 40):
        damaged = whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]
        code = stage(tmp_path, *serve(damaged))
        said = (tmp_path / "message").read_text() if code else ""
        assert "a fault of its own" not in said
