"""`cdk destroy` leaves nothing, even in the middle of a training job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcloud.cdk import bootstrap, run_cdk
from localcloud.instance import Instance
from localcloud.inventory import inventory, leftovers
from tests.integration.workflow.conftest import ROOT, until

OVERLAY = """
classifiers = ["vehicles"]
[classifier.vehicles]
target_error = 0.2
[classifier.vehicles.data]
kind = "drawings"
per_class = 60
[classifier.vehicles.training]
at_deploy = false
[classifier.vehicles.training.hyperparameters]
epochs = 500
patience = 0
folds = 2
image_size = 96
"""


@pytest.mark.timeout(600)
def test_nothing_stays_when_the_app_is_destroyed_in_the_middle_of_training(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(OVERLAY)
    instance = Instance.start(tmp_path / "instance", project=ROOT, owner_pid=os.getpid())
    try:
        bootstrap(instance, project=ROOT, output=tmp_path / "bootstrap")
        before = inventory(instance)
        context = ["-c", "env=dev", "-c", f"settings={overlay}"]

        run_cdk(
            instance,
            ["deploy", "--all", "--require-approval", "never", *context],
            project=ROOT,
            output=tmp_path / "deploy",
        )
        stacks = instance.client("cloudformation").describe_stacks()["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for stack in stacks for o in stack.get("Outputs", [])}
        instance.client("stepfunctions").start_execution(stateMachineArn=outputs["TrainingStateMachineArn"])
        sagemaker = instance.client("sagemaker")

        def training() -> str | None:
            jobs = sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
            return jobs[0]["TrainingJobName"] if jobs else None

        job = until(training, 120, "the training job")
        run_cdk(
            instance, ["destroy", "--all", "--force", *context], project=ROOT, output=tmp_path / "destroy"
        )
        assert sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopped"
        assert leftovers(before, inventory(instance)) == []
        assert instance.denials() == []
    finally:
        instance.stop()
