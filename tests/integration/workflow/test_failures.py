"""A training that fails and a model below the gate fail the deployment, and say why at the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.cdk import bootstrap, run_cdk
from localcloud.errors import CdkError
from localcloud.instance import Instance
from localcloud.inventory import inventory
from tests.integration.workflow.conftest import ENV, OVERLAY, PREFIX, ROOT

pytestmark = pytest.mark.timeout(600)
Deploy = Callable[[str], str]
STACK = f"{PREFIX}-training"


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Return a function that deploys with an overlay, which must fail, and returns why it did."""
    folder = tmp_path_factory.mktemp("failing")
    instance = Instance.start(folder / "instance", project=ROOT, owner_pid=os.getpid())

    def deploying(overlay: str) -> str:
        path: Path = folder / "overlay.toml"
        path.write_text(overlay)
        arguments = [
            "deploy",
            STACK,
            "--require-approval",
            "never",
            "-c",
            f"env={ENV}",
            "-c",
            f"settings={path}",
        ]
        with pytest.raises(CdkError) as failed:
            run_cdk(instance, arguments, project=ROOT, output=folder / "assembly")
        left = [each for each in inventory(instance) if PREFIX in each]
        # CloudFormation keeps the record of a stack whose creation was rolled back.
        assert [each for each in left if each != f"cloudformation:stack/{STACK}"] == []
        return str(failed.value)

    try:
        bootstrap(instance, project=ROOT, output=folder / "bootstrap")
        yield deploying
    finally:
        instance.stop()


def test_the_jobs_reason_reaches_the_terminal_when_training_fails(deploy: Deploy) -> None:
    reason = deploy(OVERLAY.replace("image_size = 64", 'image_size = 64\ndevice = "cuda"'))
    assert "this machine has no usable GPU" in reason


@pytest.mark.slow
def test_the_rejection_reaches_the_terminal_when_the_model_is_below_the_gate(deploy: Deploy) -> None:
    reason = deploy(OVERLAY.replace("minimum_accuracy = 0.6", "minimum_accuracy = 1.0"))
    assert "The model was rejected" in reason
    assert "below the floor of 100.0%" in reason
