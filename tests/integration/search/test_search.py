"""A deployment whose settings search for hyperparameters takes the best trial's model, in its own roles."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lambda_src.naming import search_prefix
from localcloud.cdk import bootstrap, run_cdk
from localcloud.instance import Instance
from localcloud.inventory import inventory, leftovers
from tests.integration.workflow.conftest import ENV, OVERLAY, PREFIX, ROOT
from tests.integration.workflow.variants import SEARCH


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_best_trials_model_is_deployed_and_nothing_stays_at_destroy(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    quick = OVERLAY.replace("epochs = 3", "epochs = 1").replace(
        "minimum_accuracy = 0.6", "minimum_accuracy = 0.0"
    )
    overlay.write_text(quick.replace("image_size = 64", "image_size = 32") + SEARCH)
    instance = Instance.start(tmp_path / "instance", project=ROOT, owner_pid=os.getpid())
    try:
        bootstrap(instance, project=ROOT, output=tmp_path / "bootstrap")
        before = inventory(instance)
        context = ["-c", f"env={ENV}", "-c", f"settings={overlay}"]
        stacks = [f"{PREFIX}-training"]
        run_cdk(
            instance,
            ["deploy", *stacks, "--require-approval", "never", *context],
            project=ROOT,
            output=tmp_path / "deploy",
        )
        sagemaker = instance.client("sagemaker")
        (search,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        name = search["HyperParameterTuningJobName"]
        assert name.startswith(search_prefix(PREFIX))
        shown = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )["TrainingJobSummaries"]
        assert len({json.dumps(each["TunedHyperParameters"], sort_keys=True) for each in trials}) == 2

        losses = {}
        for each in trials:
            job = sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"])
            metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
            losses[each["TrainingJobName"]] = metrics["held_out:loss"]
        best = min(losses, key=lambda each: losses[each])
        assert shown["BestTrainingJob"]["TrainingJobName"] == best
        tables = [
            each for each in instance.client("dynamodb").list_tables()["TableNames"] if "training" in each
        ]
        champion = instance.client("dynamodb").get_item(TableName=tables[0], Key={"id": {"S": "champion"}})
        assert f"/{best}/" in champion["Item"]["training_artifact"]["S"]

        # Each trial kept its checkpoints apart, where the same search would find them again.
        bucket = champion["Item"]["training_artifact"]["S"].removeprefix("s3://").partition("/")[0]
        keys = [
            each["Key"]
            for each in instance.client("s3").list_objects_v2(Bucket=bucket, Prefix="vehicles/searches/")[
                "Contents"
            ]
        ]
        assert len({key.split("/")[-2] for key in keys}) == 2

        run_cdk(
            instance, ["destroy", "--all", "--force", *context], project=ROOT, output=tmp_path / "destroy"
        )
        assert leftovers(before, inventory(instance)) == []
        assert instance.denials() == []
    finally:
        instance.stop()
