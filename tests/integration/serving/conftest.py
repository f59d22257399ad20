"""The application as AWS's image runs it: an archive, Ray Serve and the adapter in front; one for all tests."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import sys
import tarfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from classifier.artifact import save_model
from classifier.card import ModelCard
from classifier.network import EfficientNetLite0
from localcloud.containers import ray_serve
from localcloud.containers.container import MARKER, Container
from localcloud.processes import belonging
from stacks.archives import SERVING_VARIABLES

ROOT = Path(__file__).parents[3]
START_SECONDS = 90.0
CLASSES = ("bicycle", "motorcycle")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any


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


class Lines:
    """What the container's processes said last."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=500)

    def line(self, text: str, *, telling: bool = True) -> None:
        if telling:
            self.tail.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.tail)


class Server:
    """One container."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model"
        self.folder = folder
        self.log = Lines()
        self.seconds = 0.0
        self.early: list[Answer] = []
        self._container: Container | None = None

    def start(self) -> None:
        """Start Ray Serve and the adapter; returns before they are ready."""
        variables = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **SERVING_VARIABLES,
        }
        self._container, _ = ray_serve.launch(self.model, variables, self.folder, self.log)

    @property
    def container(self) -> Container:
        assert self._container
        return self._container

    def wait(self) -> None:
        """Wait until it is healthy, and keep the answers of health until then."""
        begun = time.monotonic()
        while (answer := self.ping()).status != 200:
            self.early.append(answer)
            assert time.monotonic() - begun < START_SECONDS, self.log.text[-3000:]
            time.sleep(0.1)
        self.seconds = time.monotonic() - begun

    def stop(self) -> None:
        """End every process."""
        if self._container:
            self._container.stop()
            assert belonging(self._container.identity, marker=MARKER) == []

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
        port = self.container.ray_port if direct else self.container.port
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
