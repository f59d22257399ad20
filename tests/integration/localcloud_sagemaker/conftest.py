"""One emulator for these tests, and what makes a job's or an endpoint's input short to write."""

from __future__ import annotations

import io
import json
import tarfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.instance import Instance
from tests.integration.roles import make_role

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
PYTORCH = f"{REPOSITORY}/pytorch:2.13-cpu-amzn2023-sagemaker"
RAY = f"{REPOSITORY}/ray:serve-ml-sagemaker-cpu-v1.5"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance.start(
        tmp_path_factory.mktemp("cloud"), project=Path(__file__).parents[3], owner_pid=None
    )
    make_role(instance, "any")
    yield instance
    instance.stop()


@pytest.fixture(scope="session")
def sagemaker(cloud: Instance) -> Any:
    return cloud.client("sagemaker")


@pytest.fixture(scope="session")
def bucket(cloud: Instance) -> str:
    cloud.client("s3").create_bucket(Bucket="sagemaker-tests")
    return "sagemaker-tests"


@pytest.fixture
def put(cloud: Instance, bucket: str) -> Callable[[str, bytes], str]:
    """Return a function that stores an object and says its URI."""

    def putting(key: str, body: bytes) -> str:
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    return putting


@pytest.fixture
def fetch(cloud: Instance) -> Callable[[str], bytes]:
    """Return a function that reads an object by its URI."""

    def fetching(uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    return fetching


def unique(stem: str) -> str:
    """Return a name that no other test uses: names of jobs are taken for good."""
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def archive(files: Mapping[str, str]) -> bytes:
    """Pack texts as `.tar.gz`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            content = textwrap.dedent(text).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def unpacked(packed: bytes) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {
            entry.name: member.read()
            for entry in tar.getmembers()
            if entry.isfile() and (member := tar.extractfile(entry)) is not None
        }


def wait(look: Callable[[], Any], until: Callable[[Any], bool], seconds: float = 90.0) -> Any:
    """Look until it is so, and return what was seen."""
    deadline = time.monotonic() + seconds
    while not until(seen := look()):
        assert time.monotonic() < deadline, json.dumps(seen, default=str)
        time.sleep(0.1)
    return seen
