"""An archive that cannot be served says why and never becomes healthy; one that is served ends with its answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.serving.conftest import START_SECONDS, Server, build_archive, tar
from tests.integration.under_way import Watched
from tests.integration.workflow.pictures import USABLE

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


def test_what_is_under_way_is_answered_when_the_container_is_stopped(tmp_path: Path) -> None:
    server = Server(tmp_path)
    build_archive(server.model)
    many = tar({str(number): USABLE["photo.jpg"] for number in range(400)})
    try:
        server.start()
        server.wait()
        under_way = Watched()
        container = replace(server.container, under_way=under_way)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(container.invoke, many, {"Content-Type": "application/x-tar"})
            assert under_way.entered.wait(timeout=30)
            container.stop()
            answer = asked.result(timeout=30)
        assert answer.status == 200
        assert len(json.loads(answer.body)["predictions"]) == 400
    finally:
        server.stop()
