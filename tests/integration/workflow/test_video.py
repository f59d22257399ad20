"""A video's frames, and a camera's, go the way of any picture: in groups, each to a decision of its own."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scones import cli, target
from scones.errors import FilesError
from scones.footage import Footage
from tests.integration.workflow.conftest import ENV, Deployment
from tests.unit.scones.videos import coloured, video
from training.drawings import draw

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = target.of_instance(deployment.instance, name="scones", env=ENV, classifier="vehicles")
    monkeypatch.setattr(target, "choose", lambda **_: found)
    return lambda *words: CliRunner().invoke(cli.app, ["video", *words, "--json"])


def records(deployment: Deployment, rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    prefix = f"s3://{deployment.outputs['InboundBucketName']}/vehicles/"
    found = [deployment.record(row["object"].removeprefix(prefix), row["version_id"]) for row in rows]
    return [each for each in found if each]


def test_the_frames_of_a_video_are_decided_in_groups_each_for_itself(
    deployment: Deployment, run: Any, tmp_path: Path
) -> None:
    pictures = [
        draw(("bicycle", "motorcycle")[number % 2], 3, number).resize((320, 240)) for number in range(30)
    ]
    (path := tmp_path / "ride.mp4").write_bytes(video(pictures, seconds=0.2))
    done = run(str(path), "--every", "0.2")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["seconds"] for row in rows) == pytest.approx([0.2 * number for number in range(30)])
    assert {row["outcome"] for row in rows} <= {"routed", "review"}
    right = [row["class"] == ("bicycle", "motorcycle")[round(row["seconds"] / 0.2) % 2] for row in rows]
    assert sum(right) >= 24  # of a small model that has learnt drawings in a minute
    found = records(deployment, rows)
    assert len({each["decision_id"] for each in found}) == 30
    together = Counter(each["inference_id"] for each in found)
    assert max(together.values()) > 1


def test_a_camera_is_watched_until_its_frames_are_enough(run: Any) -> None:
    with streaming(
        video(coloured() * 10, kind="mpegts", codec="mpeg2video"), then=threading.Event()
    ) as address:
        done = run(address, "--every", "0.5", "--limit", "8")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 8
    assert all(row["outcome"] for row in rows)


def test_what_a_camera_sent_is_decided_when_it_falls_silent(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scones.footage.READ_SECONDS", 2.0)
    with streaming(video(coloured(), kind="mpegts", codec="mpeg2video"), then=threading.Event()) as address:
        done = run(address)
    assert done.exit_code == 1
    assert "broke off: nothing came for 2 s" in done.stderr
    assert len(done.stdout.splitlines()) >= 3


def test_a_stream_gives_frames_while_it_goes_on() -> None:
    ended = threading.Event()
    with streaming(video(coloured() * 10, kind="mpegts", codec="mpeg2video"), then=ended) as address:
        opened = Footage(address, 1.0)
        frames = opened.frames()
        assert [round(next(frames).seconds) for _ in range(20)] == list(range(20))
        assert opened.live
        ended.set()
        assert 35 <= 20 + len(list(frames)) <= 40


def test_pictures_without_a_clock_are_as_far_apart_as_they_come() -> None:
    buffer = io.BytesIO()
    coloured()[0].save(buffer, "JPEG")
    part = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(buffer.getvalue())
    content = (part + buffer.getvalue() + b"\r\n") * 200  # by FFmpeg's reckoning, eight seconds
    ended = threading.Event()
    with streaming(content, then=ended, kind="multipart/x-mixed-replace; boundary=picture") as address:
        frames = Footage(address, 3.0).frames()
        first = next(frames)
        ended.set()
        assert first.seconds == 0.0
        assert len(list(frames)) <= 1


def test_a_camera_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scones.footage.READ_SECONDS", 1.0)
    with streaming(
        video(coloured() * 10, kind="mpegts", codec="mpeg2video"), then=threading.Event()
    ) as address:
        frames = Footage(address, 1.0).frames()
        with pytest.raises(FilesError, match="broke off: nothing came for 1 s"):
            list(frames)


@contextmanager
def streaming(content: bytes, *, then: threading.Event, kind: str = "video/mp2t") -> Iterator[str]:
    """Send a video to whoever asks, without its length, and go on until told to end; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            then.wait(30)
            with suppress(OSError):  # who asked may be gone
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera"
    finally:
        then.set()
        server.shutdown()
        thread.join()
        server.server_close()
