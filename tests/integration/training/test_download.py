"""Downloads that are cut, resumed, refused for a while, or of another file; from a server on loopback."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from training.errors import ChecksumError, DownloadError
from training.staging.download import download

CONTENT = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
Answer = Callable[["Handler", int], None]


class Handler(http.server.BaseHTTPRequestHandler):
    answers: list[Answer]
    """One for each request; the last for all that follow."""
    asked: list[int]
    """From which byte, of each request."""

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        self.asked.append(start)
        self.answers[min(len(self.asked), len(self.answers)) - 1](self, start)

    def send(self, status: int, content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


def good(handler: Handler, start: int) -> None:
    if start >= len(CONTENT):
        handler.send(416, b"")
    else:
        handler.send(206 if start else 200, CONTENT[start:])


def cut(handler: Handler, start: int) -> None:
    handler.send(206 if start else 200, CONTENT[start : start + 3000], len(CONTENT) - start)


def cut_soon(handler: Handler, start: int) -> None:
    handler.send(206 if start else 200, CONTENT[start : start + 1000], len(CONTENT) - start)


def from_another_offset(handler: Handler, start: int) -> None:
    handler.send(206 if start else 200, CONTENT)


def another_file(handler: Handler, start: int) -> None:
    handler.send(200, b"another")


def status(code: int) -> Answer:
    return lambda handler, _: handler.send(code, b"")


@pytest.fixture
def server() -> Iterator[tuple[str, type[Handler]]]:
    class Own(Handler):
        answers: list[Answer] = []  # noqa: RUF012 - set by each test
        asked: list[int] = []  # noqa: RUF012 - of this class alone

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/file", Own
    served.shutdown()
    served.server_close()


@pytest.mark.parametrize(
    ("partial", "answers", "asked"),
    [
        (None, [good], [0]),
        (None, [cut, good], [0, 3000]),
        (None, [cut_soon], list(range(0, len(CONTENT), 1000))),
        (None, [status(503), status(429), good], [0, 0, 0]),
        (CONTENT[:100], [good], [100]),
        (CONTENT, [good], [len(CONTENT)]),
        (b"<html>proxy error</html>", [good], [24, 0]),
        (b"x" * 2 * len(CONTENT), [good], [2 * len(CONTENT), 0]),
        (None, [cut, from_another_offset], [0, 3000, 0]),
    ],
    ids=[
        "whole",
        "cut",
        "cut more often than there are tries",
        "busy",
        "begun",
        "already whole",
        "stale, shorter",
        "stale, longer",
        "from another offset",
    ],
)
def test_the_file_arrives(
    tmp_path: Path,
    server: tuple[str, type[Handler]],
    partial: bytes | None,
    answers: list[Answer],
    asked: list[int],
) -> None:
    url, handler = server
    handler.answers = answers
    if partial is not None:
        (tmp_path / "file.part").write_bytes(partial)
    assert download(url, tmp_path / "file", MD5, pause=0).read_bytes() == CONTENT
    assert handler.asked == asked
    assert not (tmp_path / "file.part").exists()


def test_two_at_once_fetch_the_file_once(tmp_path: Path, server: tuple[str, type[Handler]]) -> None:
    url, handler = server
    second = threading.Thread(target=lambda: download(url, tmp_path / "file", MD5, pause=0), daemon=True)

    def meanwhile(answering: Handler, start: int) -> None:
        second.start()
        second.join(0.5)
        good(answering, start)

    handler.answers = [meanwhile, good]
    assert download(url, tmp_path / "file", MD5, pause=0).read_bytes() == CONTENT
    second.join(10)
    assert not second.is_alive()
    assert handler.asked == [0]


@pytest.mark.parametrize(("partial", "asked"), [(None, [0]), (b"stale", [5, 0])])
def test_another_file_is_fetched_from_the_start_once_and_refused(
    tmp_path: Path, server: tuple[str, type[Handler]], partial: bytes | None, asked: list[int]
) -> None:
    url, handler = server
    handler.answers = [another_file]
    if partial is not None:
        (tmp_path / "file.part").write_bytes(partial)
    with pytest.raises(ChecksumError, match=f"and not {MD5}"):
        download(url, tmp_path / "file", MD5, pause=0)
    assert handler.asked == asked
    assert not (tmp_path / "file.part").exists()


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (416, 1), (429, 5), (503, 5)])
def test_a_refusal_is_told_by_its_status(
    tmp_path: Path, server: tuple[str, type[Handler]], code: int, tries: int
) -> None:
    url, handler = server
    handler.answers = [status(code)]
    with pytest.raises(DownloadError, match=f"failed with status {code}"):
        download(url, tmp_path / "file", MD5, pause=0)
    assert len(handler.asked) == tries


@pytest.mark.parametrize("url", ["http://[::1/file", "http://127.0.0.1:port/file", "http://127.0.0.1/a file"])
def test_an_address_that_cannot_be_read_is_told_at_once(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match=r"cannot be read .*: correct it in the settings"):
        download(url, tmp_path / "file", MD5, pause=0)


def test_a_file_that_is_there_needs_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert download("http://127.0.0.1:9/file", tmp_path / "file", MD5, pause=0) == tmp_path / "file"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
