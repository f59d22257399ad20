"""One deployment of the whole app on a local cloud, shared by every test of this folder."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from localcloud.cdk import bootstrap, run_cdk
from localcloud.instance import Instance
from localcloud.inventory import inventory

ROOT = Path(__file__).parents[3]
ENV = "prod"
"""It has every state that `dev` has, and those of endpoints on GPUs besides; test_paths.py has `dev` itself too."""
CLASSIFIER = "vehicles"
PREFIX = f"scones-{ENV}-{CLASSIFIER}"
BASIC = """
retention = "destroy"
classifiers = ["vehicles"]
[classifier.vehicles]
target_error = 0.2
[classifier.vehicles.data]
kind = "drawings"
per_class = 60
seed = 7
[classifier.vehicles.training.hyperparameters]
epochs = 3
patience = 0
folds = 2
image_size = 64
[classifier.vehicles.gate]
minimum_accuracy = 0.6
"""
"""Few drawings and a quick training, in settings that earlier releases have too."""
OVERLAY = (
    BASIC
    + """
[classifier.vehicles.serving]
instance_count = 3
[classifier.vehicles.serving.scaling]
minimum_instances = 3
maximum_instances = 4
target_concurrency = 4
night = {start = "22:00", end = "06:00", minimum_instances = 2, timezone = "Europe/Berlin"}
[classifier.vehicles.limits]
max_bytes = 2000000
[classifier.vehicles.monitoring]
window_images = 40
minimum_images = 20
[classifier.vehicles.review]
sample_rate = 1.0
"""
)
OUTCOME_SECONDS = 90.0
T = TypeVar("T")


def until(found: Callable[[], T | None], seconds: float, what: str) -> T:
    """Wait for something to be there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = found()
        if result is not None:
            return result
        time.sleep(0.2)
    pytest.fail(f"{what} did not come in {seconds:.0f} s")


LAST = ("test_operations.py", "test_roles.py")
"""One trains on what was reviewed before; the other destroys the shared deployment."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the modules that change the shared deployment run when the others are through with it."""

    def position(item: pytest.Item) -> int:
        ours = item.path.parent == Path(__file__).parent and item.path.name in LAST
        return LAST.index(item.path.name) + 1 if ours else 0

    items.sort(key=position)


@dataclass(frozen=True)
class Deployment:
    """The deployed app; `mocks` is where state machines read mocked answers, `before` what there was without it."""

    instance: Instance
    outputs: dict[str, str]
    overlay: Path
    assembly: Path
    mocks: Path
    before: frozenset[str] = frozenset()

    def client(self, service: str) -> Any:
        """Return a client of the local cloud."""
        return self.instance.client(service)

    def upload(self, key: str, content: bytes, **options: Any) -> str:
        """Upload an image and return its version."""
        bucket = self.outputs["InboundBucketName"]
        answer = self.client("s3").put_object(Bucket=bucket, Key=f"vehicles/{key}", Body=content, **options)
        version: str = answer["VersionId"]
        return version

    def record(self, key: str, version: str) -> dict[str, str] | None:
        """Return the recorded outcome of an object version, if there is one."""
        name = f"s3://{self.outputs['InboundBucketName']}/vehicles/{key}"
        found = self.client("dynamodb").get_item(
            TableName=self.outputs["ResultsTableName"],
            Key={"object": {"S": name}, "version_id": {"S": version}},
            ConsistentRead=True,
        )
        if "Item" not in found:
            return None
        return {field: str(next(iter(value.values()))) for field, value in found["Item"].items()}

    def logged(self, read: dict[str, set[str]] | None = None) -> set[str]:
        """Return the decisions that are in the prediction log by now; `read` has those of the files before."""
        s3, bucket = self.client("s3"), self.outputs["ResultsBucketName"]
        found = {} if read is None else read
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="predictions/vehicles/")
        for entry in [each for page in pages for each in page.get("Contents", [])]:
            if entry["Key"] in found:
                continue
            content = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            found[entry["Key"]] = {json.loads(line)["decision_id"] for line in text.splitlines()}
        return set().union(*found.values())

    def outcome(self, key: str, version: str) -> dict[str, str]:
        """Wait for the recorded outcome of an object version."""
        return until(lambda: self.record(key, version), OUTCOME_SECONDS, f"an outcome of {key}")


def deploy(
    instance: Instance, overlay: Path, output: Path, *, project: Path = ROOT, env: str = ENV
) -> dict[str, str]:
    """Deploy every stack of a project with an overlay, and return the stacks' outputs."""
    arguments = ["--require-approval", "never", "-c", f"env={env}", "-c", f"settings={overlay}"]
    run_cdk(instance, ["deploy", "--all", *arguments], project=project, output=output)
    stacks = instance.client("cloudformation").describe_stacks()["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for stack in stacks for each in stack.get("Outputs", [])}


@contextmanager
def standing(folder: Path, overlay: str, *, time_scale: float) -> Iterator[Deployment]:
    """Start a local cloud, deploy the app with an overlay, and end it all; bake times are scaled."""
    path = folder / "overlay.toml"
    path.write_text(overlay)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFN_MOCK_CONFIG", str(folder / "mocks.json"))
        patch.setenv("LOCALCLOUD_TIME_SCALE", str(time_scale))
        instance = Instance.start(folder / "instance", project=ROOT, owner_pid=os.getpid())
    try:
        bootstrap(instance, project=ROOT, output=folder / "bootstrap")
        before = frozenset(inventory(instance))
        outputs = deploy(instance, path, folder / "assembly")
        yield Deployment(instance, outputs, path, folder / "assembly", folder / "mocks.json", before)
    finally:
        instance.stop()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The app with few drawings; a canary, which is watched for minutes, takes seconds."""
    with standing(tmp_path_factory.mktemp("cloud"), OVERLAY, time_scale=0.01) as found:
        yield found
