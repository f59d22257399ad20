"""The application as AWS's image runs it: an archive, Ray Serve and the adapter in front; one for all tests."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0
from localcloud.processes import belonging, end_all

ROOT = Path(__file__).parents[3]
CONTAINERS = ROOT / "localcloud" / "containers"
MARKER = "SCONES_TEST_SERVER"
START_SECONDS = 90.0
CLASSES = ("bicycle", "motorcycle")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any


def free_port() -> int:
    """Return a port that nothing listens on, where neither Linux nor Ray puts ports of their own meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def build_archive(folder: Path) -> None:
    """Write what an unpacked model archive holds, with an untrained network."""
    torch.manual_seed(3)
    card = ModelCard(CLASSES, 64, 1.2, 0.9, 0.01, "v1", model_version="run1")
    save_model(folder, EfficientNetLite0(len(CLASSES)), card)
    (folder / "metrics.json").write_text("{}")
    ignored = shutil.ignore_patterns("__pycache__", "config.yaml")
    for package in ("serving", "classifier"):
        shutil.copytree(ROOT / package, folder / "code" / package, ignore=ignored)
    shutil.copy(ROOT / "serving" / "config.yaml", folder)


class Server:
    """One container's processes."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model"
        self.folder = folder
        self.port, self.ray_port = free_port(), free_port()
        self.identity = uuid.uuid4().hex[:12]
        self.log = folder / "log"
        # Ray puts sockets there, whose paths end at 107 bytes.
        self.ray_folder = Path(tempfile.mkdtemp(prefix="r"))
        self.seconds = 0.0
        self.early: list[Answer] = []

    def start(self) -> None:
        """Start Ray Serve and the adapter; returns before they are ready."""
        config = yaml.safe_load((self.model / "config.yaml").read_text())
        config["http_options"]["port"] = self.ray_port
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        variables = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join((str(self.model), str(self.model / "code"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RAYSERVE_BACKEND_URL": f"http://127.0.0.1:{self.ray_port}/classifier",
            "RAYSERVE_BACKEND_TIMEOUT": "60",
            "ADAPTER_PORT": str(self.port),
            "RAY_TMPDIR": str(self.ray_folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            MARKER: self.identity,
        }
        for command in (
            [CONTAINERS / "serve_main.py", self.folder / "config.yaml"],
            [CONTAINERS / "adapter.py"],
        ):
            with self.log.open("ab") as log:
                subprocess.Popen(
                    [sys.executable, *map(str, command)],
                    cwd=self.folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def wait(self) -> None:
        """Wait until it is healthy, and keep the answers of health until then."""
        begun = time.monotonic()
        while (answer := self.ping()).status != 200:
            self.early.append(answer)
            assert time.monotonic() - begun < START_SECONDS, self.log.read_text()[-3000:]
            time.sleep(0.1)
        self.seconds = time.monotonic() - begun

    def stop(self) -> None:
        """End every process."""
        end_all(self.identity, marker=MARKER, grace=3.0)
        shutil.rmtree(self.ray_folder, ignore_errors=True)
        assert belonging(self.identity, marker=MARKER) == []

    def ping(self) -> Answer:
        """Ask for health as SageMaker does."""
        return self.send(b"", None, method="GET", path="/ping")

    def send(
        self,
        body: bytes,
        content_type: str | None = "application/octet-stream",
        *,
        method: str = "POST",
        path: str = "/invocations",
        direct: bool = False,
    ) -> Answer:
        """Send a request through the adapter, or directly to Ray Serve."""
        port = self.ray_port if direct else self.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {} if content_type is None else {"Content-Type": content_type}
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, None)
        finally:
            connection.close()
        try:
            return Answer(answer.status, dict(answer.getheaders()), json.loads(content))
        except ValueError:
            return Answer(answer.status, dict(answer.getheaders()), content.decode())


def tar(images: dict[str, bytes]) -> bytes:
    """Pack images."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in images.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the application once."""
    server = Server(tmp_path_factory.mktemp("serving"))
    build_archive(server.model)
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.stop()
