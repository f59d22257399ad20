"""Frames go in while decisions on earlier ones come out; nothing is lost but what a camera has no time for."""

from __future__ import annotations

import errno
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from scones import cli, video
from scones.errors import FilesError
from scones.footage import Frame
from scones.video import READ_AHEAD, UNDER_WAY, Reader, decide
from tests.unit.scones import videos
from tests.unit.scones.fakes import FakeCloud, record, refused


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "POLL_SECONDS", 0.01)


@dataclass
class Reel:
    """Footage of so many frames; it breaks off at its end if it is to."""

    count: int
    live: bool = False
    breaks: bool = False
    name: str = "reel"
    read: int = 0

    def frames(self) -> Iterator[Frame]:
        for number in range(self.count):
            self.read = number + 1
            yield Frame(float(number), b"frame")
        if self.breaks:
            raise FilesError("reel broke off: it is torn.")


def reader(reel: Reel, limit: int | None = None) -> Reader:
    return Reader(reel, limit)  # type: ignore[arg-type]


def routed(_: str) -> dict[str, Any]:
    return record("routed", class_="bicycle", confidence=0.9)


def test_every_frame_of_a_film_is_decided_however_slow_that_is() -> None:
    cloud = FakeCloud(decide=routed, looks_before=3)
    seen = list(decide(cloud.target(), reader(Reel(200)), patience=30))
    assert sorted(each.seconds for each in seen) == list(range(200))
    assert {each.decision.outcome for each in seen} == {"routed"}
    assert len(cloud.objects) == 200
    assert sorted(cloud.objects)[17].endswith("/000017.000.jpg")
    assert seen[0].decision.file.startswith("reel at ")


def test_a_film_is_read_no_faster_than_it_is_decided() -> None:
    may = threading.Event()
    cloud = FakeCloud(decide=lambda name: routed(name) if may.is_set() else None)
    reel = Reel(1000)
    frames = decide(cloud.target(), reader(reel), patience=30)
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(next(frames)))
    thread.start()
    thread.join(0.5)
    assert not first
    assert reel.read <= UNDER_WAY + READ_AHEAD + 1
    may.set()
    thread.join(10)
    assert len([*first, *frames]) == 1000


def test_a_cameras_frames_are_left_out_and_counted_while_decisions_do_not_keep_up() -> None:
    camera = reader(Reel(500, live=True))
    assert camera._read.wait(10)
    cloud = FakeCloud(decide=routed)
    seen = list(decide(cloud.target(), camera, patience=30))
    assert len(seen) == READ_AHEAD
    assert camera.left_out == 500 - READ_AHEAD


def test_as_many_are_read_as_were_asked_for() -> None:
    assert len(list(decide(FakeCloud(decide=routed).target(), reader(Reel(50), 7), patience=30))) == 7


def test_what_was_sent_is_decided_before_it_is_said_that_the_film_is_torn() -> None:
    cloud = FakeCloud(decide=routed, looks_before=5)
    seen: list[Any] = []
    with pytest.raises(FilesError, match="it is torn"):
        seen.extend(decide(cloud.target(), reader(Reel(9, breaks=True)), patience=30))
    assert len(seen) == 9


def test_what_waits_is_given_up_when_nothing_is_decided() -> None:
    seen = list(decide(FakeCloud(decide=lambda _: None).target(), reader(Reel(300)), patience=0.05))
    assert 0 < len(seen) <= UNDER_WAY
    assert {each.decision.outcome for each in seen} == {None}


@pytest.mark.parametrize("refused_call", ["put_object", "get_item"])
def test_what_was_sent_is_counted_when_something_is_refused(
    monkeypatch: pytest.MonkeyPatch, refused_call: str
) -> None:
    cloud = FakeCloud(decide=routed, looks_before=3)
    calls, call = itertools.count(), getattr(cloud, refused_call)
    sent: list[Any] = []

    def refuse(**request: Any) -> Any:
        if next(calls) >= 20:
            raise refused("AccessDenied", refused_call)
        return call(**request)

    monkeypatch.setattr(cloud, refused_call, refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        sent.extend(decide(cloud.target(), reader(Reel(200)), patience=30))
    assert sorted(each.decision.object for each in sent) == sorted(
        f"s3://inbound/{key}" for key in cloud.objects
    )


def test_patience_ends_though_uploads_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, over = FakeCloud(decide=routed), threading.Event()
    put = cloud.put_object

    def hang(**request: Any) -> Any:
        if len(cloud.objects) >= 3:
            over.wait(60)
        return put(**request)

    monkeypatch.setattr(cloud, "put_object", hang)
    seen = list(decide(cloud.target(), reader(Reel(20)), patience=0.2))
    assert not over.is_set()
    assert len(seen) > len(cloud.objects) >= 3
    over.set()


def test_the_command_prints_a_row_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = FakeCloud(decide=routed)
    monkeypatch.setattr("scones.target.choose", lambda **_: cloud.target())
    (path := tmp_path / "ride.mp4").write_bytes(videos.video(videos.coloured()))
    done = CliRunner().invoke(cli.app, ["video", str(path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[2].split("\t")[:4] == ["0:00:02.000", "routed", "bicycle", "0.9000"]
    assert "4 frames: 4 routed." in done.stderr
    done = CliRunner().invoke(cli.app, ["video", str(path), "--json", "--limit", "2"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["seconds"], row["class"]) for row in rows] == [(0.0, "bicycle"), (1.0, "bicycle")]
    done = CliRunner().invoke(cli.app, ["video", str(tmp_path / "none.mp4")])
    assert done.exit_code == 1
    assert "error: There is no video" in done.stderr
    cloud.decide = lambda _: None
    done = CliRunner().invoke(cli.app, ["video", str(path), "--patience", "1"])
    assert done.exit_code == 1
    assert "4 without an outcome" in done.stderr


HUNG = """
import signal, sys, threading
from scones import cli, target

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

class Hung:
    def describe_stacks(self, *, StackName):
        outputs = {"InboundBucketName": "inbound", "ResultsTableName": "results"}
        rows = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        return {"Stacks": [{"StackName": StackName, "Outputs": rows}]}

    def put_object(self, **_):
        print("sending", flush=True)
        threading.Event().wait()

target.choose = lambda **_: target.Target("scones", "dev", "vehicles", lambda _: Hung(), "a cloud that hangs")
sys.argv = ["scones", "video", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize(
    ("signals", "options", "code", "said"),
    [
        ([signal.SIGINT], [], 130, "Interrupted."),
        ([signal.SIGTERM], [], 130, "Interrupted."),
        ([], ["--patience", "1"], 1, "4 without an outcome"),
    ],
)
def test_it_ends_when_told_to_though_uploads_hang(
    tmp_path: Path, signals: list[signal.Signals], options: list[str], code: int, said: str
) -> None:
    (path := tmp_path / "ride.mp4").write_bytes(videos.video(videos.coloured()))
    command = [sys.executable, "-c", HUNG, str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "sending\n"
        for each in signals:
            process.send_signal(each)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == code
    assert said in errors
    assert "Traceback" not in errors


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scones.target.choose", lambda **_: FakeCloud(decide=routed).target())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("scones.terminal.print_seen", full)
    (path := tmp_path / "ride.mp4").write_bytes(videos.video(videos.coloured()))
    done = CliRunner().invoke(cli.app, ["video", str(path)])
    assert done.exit_code == 1
    assert "error: There is no space left" in done.stderr
