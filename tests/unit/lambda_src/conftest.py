"""Clients whose requests and answers are held to botocore's own model of the service, without a network."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody

from tests.unit.lambda_src.stubs import Stubber

Stub = Callable[[str], Stubber]
_SESSION = boto3.Session("test", "test", region_name="eu-central-1")
_CLIENTS: dict[str, Any] = {}


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Make stubs by service; a call that no answer awaits, or with wrong parameters, fails the test."""
    made: dict[str, Stubber] = {}

    def make(service: str) -> Stubber:
        if service not in made:
            if service not in _CLIENTS:
                _CLIENTS[service] = _SESSION.client(service)  # type: ignore[call-overload]
            made[service] = Stubber(_CLIENTS[service])
            made[service].activate()
        return made[service]

    yield make
    for stubber in made.values():
        stubber.deactivate()
        stubber.assert_no_pending_responses()


@pytest.fixture
def body() -> Callable[[bytes], StreamingBody]:
    return lambda content: StreamingBody(io.BytesIO(content), len(content))


@pytest.fixture
def tar() -> Callable[[Mapping[str, bytes]], bytes]:
    def make(files: Mapping[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    return make
