"""A container's end: what it was asked is answered first, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.containers.container import MARKER, Container
from localcloud.ports import free_port
from localcloud.processes import belonging
from tests.integration.under_way import Watched

IDENTITY = "slow-container"
SLOW = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Slow(BaseHTTPRequestHandler):
    def do_POST(self):
        print("asked", flush=True)
        sys.stdin.readline()
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"late")

server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Slow)
print("up", flush=True)
server.serve_forever()
"""
"""A server that answers when it is told to."""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def process(port: int) -> Iterator[subprocess.Popen[str]]:
    """The container's one process."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(port)],
        env={**os.environ, MARKER: IDENTITY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as started:
        try:
            assert said(started) == "up"
            yield started
        finally:
            started.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Wait for the process's next word."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_is_under_way_is_answered_before_a_container_ends(
    port: int, process: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder, under_way = tmp_path / "of-the-container", Watched()
    folder.mkdir()
    container = Container(IDENTITY, port, port, (folder,), under_way)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(container.invoke, b"", {})
        assert said(process) == "asked"
        stopped = pool.submit(container.stop)
        assert under_way.waited_for.wait(timeout=30)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        answer = asked.result(timeout=30)
        stopped.result(timeout=30)
    assert (answer.status, answer.body) == (200, b"late")
    assert belonging(IDENTITY, marker=MARKER) == []
    assert not folder.exists()
