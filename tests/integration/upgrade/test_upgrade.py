"""The current release deployed over the one before: nothing stateful is replaced and the endpoint never fails."""

from __future__ import annotations

import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.archives import extract
from localcloud.cdk import bootstrap
from localcloud.instance import Instance
from tests.integration.workflow.conftest import BASIC, ROOT, Deployment, deploy
from tests.integration.workflow.pictures import USABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
BASELINE = "2a23919a"
"""What is upgraded while there is no release: a commit whose deployment was complete."""
STATEFUL = (
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Events::EventBus",
)
ENDPOINT = "scones-dev-vehicles"


def _git(*arguments: str, folder: Path = ROOT) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def unreachable(folder: Path = ROOT) -> str:
    """Say why earlier commits are not to be had; empty when they are."""
    shallow = _git("rev-parse", "--is-shallow-repository", folder=folder).decode().strip()
    return {
        "": "this folder is no clone",
        "true": "this clone is shallow (`git fetch --unshallow --tags` gets the rest)",
    }.get(shallow, "")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The app as the last release had it, or the baseline, beside this one's Node modules."""
    release = _git("describe", "--tags", "--abbrev=0", "HEAD^").decode().strip() or BASELINE
    archive = _git("archive", "--format=tar", release)
    if not archive and (why := unreachable()):
        pytest.skip(f"{why}, so that {release}, from which to upgrade, is not here")
    assert archive, f"{release} is not in this history, which is whole: name another baseline"
    folder = tmp_path / "before"
    with tarfile.open(fileobj=BytesIO(archive)) as contents:
        extract(contents, folder)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


def _stateful(instance: Instance) -> dict[str, str]:
    client = instance.client("cloudformation")
    return {
        f"{stack['StackName']}/{each['LogicalResourceId']}": each["PhysicalResourceId"]
        for stack in client.describe_stacks()["Stacks"]
        if stack["StackName"].startswith("scones-")
        for each in client.describe_stack_resources(StackName=stack["StackName"])["StackResources"]
        if each["ResourceType"] in STATEFUL
    }


@contextmanager
def _asking(runtime: Any, failures: list[str], answers: list[int]) -> Iterator[None]:
    """Ask the endpoint again and again meanwhile."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.5):
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=ENDPOINT, Body=USABLE["plain.png"], ContentType="application/octet-stream"
                )
                answers.append(len(answer["Body"].read()))
            except (ClientError, BotoCoreError) as error:
                failures.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_upgrade_replaces_nothing_stateful_and_keeps_the_endpoint_in_service(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALCLOUD_TIME_SCALE", "0.01")  # the update is watched for minutes
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(BASIC)
    instance = Instance.start(tmp_path / "instance", project=ROOT, owner_pid=os.getpid())
    try:
        bootstrap(instance, project=ROOT, output=tmp_path / "bootstrap")
        outputs = deploy(instance, overlay, tmp_path / "assembly-before", project=before, env="dev")
        old = Deployment(instance, outputs, overlay, tmp_path, tmp_path / "mocks.json")
        version = old.upload("kept.png", USABLE["plain.png"])
        outcome = old.outcome("kept.png", version)
        stateful = _stateful(instance)
        sagemaker = instance.client("sagemaker")
        created = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["CreationTime"]

        failures: list[str] = []
        answers: list[int] = []
        with _asking(instance.client("sagemaker-runtime"), failures, answers):
            outputs = deploy(instance, overlay, tmp_path / "assembly-after", env="dev")

        assert failures == []
        assert answers
        after = _stateful(instance)
        assert {name: after.get(name) for name in stateful} == stateful
        endpoint = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        assert (endpoint["EndpointStatus"], endpoint["CreationTime"]) == ("InService", created)
        new = Deployment(instance, outputs, overlay, tmp_path, tmp_path / "mocks.json")
        assert new.record("kept.png", version) == outcome
        kept = instance.client("s3").get_object(
            Bucket=new.outputs["InboundBucketName"], Key="vehicles/kept.png", VersionId=version
        )
        assert kept["Body"].read() == USABLE["plain.png"]
        again = new.upload("new.png", USABLE["photo.jpg"])
        assert new.outcome("new.png", again)["outcome"] in ("routed", "review")
    finally:
        instance.stop()
