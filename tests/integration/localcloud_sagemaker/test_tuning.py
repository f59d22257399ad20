"""Hyperparameter tuning jobs against a running emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.instance import Instance
from tests.integration.localcloud_sagemaker.conftest import PYTORCH, ROLE, archive, unique, wait

SCRIPT = """
    import argparse, os, pathlib, sys, time

    parser = argparse.ArgumentParser()
    for name in ("--rate", "--depth", "--kind", "--mode"):
        parser.add_argument(name)
    args = parser.parse_args()
    if args.mode == "sleep":
        time.sleep(60)
    if args.mode == "fail" or args.kind == "bad":
        sys.exit("It cannot learn so.")
    print(f"loss={abs(float(args.rate) - 0.01):.6f};", flush=True)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "rate").write_text(args.rate)
"""
RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
    ],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "4", "ScalingType": "Linear"}],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["one", "two"]}],
}
Request = Callable[..., dict[str, Any]]


@pytest.fixture
def request_for(bucket: str, put: Callable[[str, bytes], str]) -> Request:
    """Return a function that makes the request of a small tuning job."""
    put("tuning/train/one.txt", b"1")
    code = put("tuning/code/code.tar.gz", archive({"train.py": SCRIPT}))

    def channel(name: str, uri: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def making(name: str, trials: int = 4, mode: str = "train", ranges: Any = RANGES) -> dict[str, Any]:
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "RandomSeed": 3,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 1},
                "ParameterRanges": ranges,
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": {
                    "mode": mode,
                    "sagemaker_program": "train.py",
                    "sagemaker_submit_directory": code,
                },
                "AlgorithmSpecification": {
                    "TrainingImage": PYTORCH,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
                },
                "RoleArn": ROLE,
                "InputDataConfig": [channel("train", f"s3://{bucket}/tuning/train/")],
                "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/tuning/out"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
                "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            },
            "Tags": [{"Key": "owner", "Value": "tests"}],
        }

    return making


def _ended(sagemaker: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = wait(
        lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
        lambda shown: shown["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"),
    )
    return found


def _trials(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    return listed


def test_the_best_of_the_trials_is_the_one_with_the_least_loss(
    sagemaker: Any, request_for: Request, fetch: Callable[[str], bytes]
) -> None:
    name = unique("search")
    sagemaker.create_hyper_parameter_tuning_job(**request_for(name))
    shown = _ended(sagemaker, name)
    assert shown["HyperParameterTuningJobStatus"] == "Completed"
    assert shown["TrainingJobStatusCounters"]["Completed"] == 4
    trials = _trials(sagemaker, name)
    rates = [float(each["TunedHyperParameters"]["rate"]) for each in trials]
    assert len(set(rates)) == 4
    assert all(0.001 <= rate <= 0.1 for rate in rates)
    assert all(each["TunedHyperParameters"]["depth"] in "234" for each in trials)
    best = shown["BestTrainingJob"]
    nearest = min(rates, key=lambda rate: abs(rate - 0.01))
    assert float(best["TunedHyperParameters"]["rate"]) == nearest
    metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric["Value"] == pytest.approx(abs(nearest - 0.01), abs=1e-6)
    job = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert job["TuningJobArn"] == shown["HyperParameterTuningJobArn"]
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith(
        f"{best['TrainingJobName']}/output/model.tar.gz"
    )
    assert fetch(job["ModelArtifacts"]["S3ModelArtifacts"])
    tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "owner", "Value": "tests"}]


def test_a_search_that_starts_again_draws_the_same_trials(sagemaker: Any, request_for: Request) -> None:
    drawn = []
    for name in (unique("again"), unique("again")):
        sagemaker.create_hyper_parameter_tuning_job(**request_for(name, trials=2))
        assert _ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Completed"
        drawn.append([each["TunedHyperParameters"] for each in _trials(sagemaker, name)])
    assert drawn[0] == drawn[1]


def test_a_trial_that_fails_is_left_out_of_the_choice(sagemaker: Any, request_for: Request) -> None:
    name = unique("some")
    kinds = [{"Name": "kind", "Values": ["good", "bad"]}]
    sagemaker.create_hyper_parameter_tuning_job(
        **request_for(name, trials=6, ranges={**RANGES, "CategoricalParameterRanges": kinds})
    )
    shown = _ended(sagemaker, name)
    counters = shown["TrainingJobStatusCounters"]
    assert counters["Completed"] + counters["NonRetryableError"] == 6
    assert counters["NonRetryableError"] > 0
    assert shown["BestTrainingJob"]["TunedHyperParameters"]["kind"] == "good"


def test_a_search_fails_when_all_of_its_trials_do(sagemaker: Any, request_for: Request) -> None:
    name = unique("none")
    sagemaker.create_hyper_parameter_tuning_job(**request_for(name, trials=2, mode="fail"))
    shown = _ended(sagemaker, name)
    assert shown["HyperParameterTuningJobStatus"] == "Failed"
    assert "It cannot learn so." in shown["FailureReason"]
    assert "BestTrainingJob" not in shown


def test_a_stopped_search_stops_its_trial_and_starts_no_other(
    cloud: Instance, sagemaker: Any, request_for: Request
) -> None:
    name = unique("stop")
    sagemaker.create_hyper_parameter_tuning_job(**request_for(name, mode="sleep"))
    (trial,) = wait(lambda: _trials(sagemaker, name), lambda found: len(found) == 1)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert _ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Stopped"
    job = sagemaker.describe_training_job(TrainingJobName=trial["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Stopped"
    assert len(_trials(sagemaker, name)) == 1


def test_a_request_is_refused_when_the_objective_is_no_metric(sagemaker: Any, request_for: Request) -> None:
    request = request_for(unique("wrong"))
    request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"] = "los"
    with pytest.raises(ClientError, match=r"\[los\] is not among the MetricDefinitions"):
        sagemaker.create_hyper_parameter_tuning_job(**request)
