"""The whole workflow, as a person runs it: from nothing to deployed, used and destroyed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localcloud.processes import MARKER
from scones.target import ROOT

LIMIT = 540
COMMAND = [sys.executable, "-m", "scones.demo"]


RUN = "SCONES_TEST_RUN"


def belonging(run: str, clouds: set[str]) -> list[str]:
    """Return the processes of a run: its tools inherit a variable, its local cloud has a mark of its own."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(RUN) == run or environment.get(MARKER) in clouds:
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return found


def clouds_now() -> set[str]:
    """Return the marks of the local clouds that keep their state in this folder, as the demo's do."""
    found = set()
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get("LOCALCLOUD_STATE", "").startswith(str(ROOT / "build")):
                found.add(environment.get(MARKER, ""))
        except psutil.Error:
            continue
    return found - {""}


@pytest.fixture
def _nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other clouds may run beside the demo's, other folders' demos too: only what is new in this folder counts."""
    run, before = uuid.uuid4().hex, clouds_now()
    monkeypatch.setenv(RUN, run)
    yield
    monkeypatch.delenv(RUN)
    deadline = time.monotonic() + 10
    while (left := belonging(run, clouds_now() - before)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left


def demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, "SCONES_SETUP_SECONDS": "1.5", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(LIMIT + 60)
@pytest.mark.usefixtures("_nothing_stays")
def test_the_demo_leaves_a_report_and_nothing_else_when_it_ends() -> None:
    began = time.time()
    process = demo("--fast")
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = process.communicate(timeout=60)
        pytest.fail(f"The demo took more than {LIMIT} s:\n{said}")
    assert process.returncode == 0, said
    path = ROOT / "build" / "demo" / "report.json"
    assert path.stat().st_mtime >= began
    report = json.loads(path.read_text())
    assert report["leftovers"] == report["denied"] == []
    assert report["data"]["drawings"] is True
    assert report["data"]["classes"] == ["bicycle", "motorcycle"]
    assert len(report["images"]) >= 4
    for image in report["images"]:
        assert image["outcome"] in {"routed", "review"}
        assert image["predicted"] in {"bicycle", "motorcycle"}
        expected_route = {"bicycle": "near", "motorcycle": "far"}[image["predicted"]]
        assert image["route"] == (expected_route if image["outcome"] == "routed" else None)
    assert report["accuracy"] >= 0.6
    assert report["seconds"]["setup"] == 1.5
    assert report["seconds"]["train"] > 0
    assert "These are drawings" in (path.parent / "report.html").read_text()


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_process_stays_when_the_demo_is_interrupted(number: signal.Signals) -> None:
    process = demo("--fast")
    assert process.stdout is not None
    said = ""
    while not re.search(r"Bootstrapping", said):
        line = process.stdout.readline()
        assert line, said
        said += line
    time.sleep(2)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said + rest
    assert "nothing is left to clean up" in rest


@pytest.mark.parametrize("kind", ["missing", "empty", "one class"])
def test_one_sentence_ends_the_demo_when_the_data_cannot_be_used(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "pictures"
    if kind != "missing":
        folder.mkdir()
    if kind == "one class":
        (folder / "bicycle").mkdir()
    process = demo("--data", str(folder))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert said.startswith("error: ")
