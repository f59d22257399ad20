"""An archive that cannot be served says why and never becomes healthy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.serving.conftest import START_SECONDS, Server, build_archive

# Slow: a Ray of its own.
pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    build_archive(server.model)
    (server.model / "model.safetensors").unlink()
    yield server
    server.stop()


def test_the_log_says_why_when_the_archive_has_no_weights(broken: Server) -> None:
    broken.start()
    begun = time.monotonic()
    while "ArtifactError: model.safetensors is missing" not in broken.log.text:
        assert broken.ping().status != 200
        assert time.monotonic() - begun < START_SECONDS, broken.log.text[-3000:]
        time.sleep(0.2)
    assert broken.ping().status != 200
