"""Training jobs against a running emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.instance import Instance
from tests.integration.localcloud_sagemaker.conftest import PYTORCH, ROLE, archive, unique, unpacked, wait

SCRIPT = """
    import argparse, json, os, pathlib, signal, sys, time

    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--mode", default="train")
    parser.add_argument("--checkpoint-dir")
    args = parser.parse_args()
    if args.mode == "fail":
        failure = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]).parent / "failure"
        failure.write_text("No images are left.")
        sys.exit(3)
    checkpoint = pathlib.Path(args.checkpoint_dir, "epoch.txt")
    before = checkpoint.read_text() if checkpoint.is_file() else "0"
    checkpoint.write_text(str(args.epochs))
    for epoch in range(args.epochs):
        print(f"epoch={epoch} accuracy={0.5 + epoch / 10};", flush=True)
    for _ in range(60):
        print("filler", flush=True)
    model = pathlib.Path(os.environ["SM_MODEL_DIR"])
    if args.mode == "sleep":
        def leave(*_):
            model.joinpath("partial").write_text("kept")
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print("asleep", flush=True)
        time.sleep(60)
    seen = {
        "before": before,
        "train": sorted(path.name for path in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*.txt")),
        "channels": json.loads(os.environ["SM_CHANNELS"]),
        "hps": json.loads(os.environ["SM_HPS"]),
        "variables": sorted(os.environ),
        "config": json.loads(model.parent.joinpath("input/config/hyperparameters.json").read_text()),
        "path": sys.path,
    }
    model.joinpath("model.json").write_text(json.dumps(seen))
    pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "curve.csv").write_text("1,2")
"""


@pytest.fixture
def request_for(bucket: str, put: Callable[[str, bytes], str]) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the request of a small training job."""

    def making(name: str, mode: str = "train", **more: Any) -> dict[str, Any]:
        put(f"{name}/train/bicycle/1.txt", b"one")
        put(f"{name}/train/motorcycle/2 ü.txt", b"two")
        code = put(f"{name}/assets/abc.gz", archive({"train.py": SCRIPT}))
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": PYTORCH,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "accuracy", "Regex": r"accuracy=([0-9.]+);"}],
            },
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code/abc.gz",
                "checkpoint-dir": "/opt/ml/checkpoints",
                "epochs": "4",
                "mode": mode,
            },
            "InputDataConfig": [_channel("train", f"s3://{bucket}/{name}/train"), _channel("code", code)],
            "CheckpointConfig": {"S3Uri": f"s3://{bucket}/{name}/checkpoints"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{name}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            "EnableNetworkIsolation": True,
            **more,
        }

    return making


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _ended(sagemaker: Any, name: str) -> dict[str, Any]:
    ended: dict[str, Any] = wait(
        lambda: sagemaker.describe_training_job(TrainingJobName=name),
        lambda seen: seen["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"),
    )
    return ended


def test_a_script_sees_the_toolkits_contract_when_it_trains(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]], fetch: Callable[[str], bytes], bucket: str
) -> None:
    name = unique("train")
    arn = sagemaker.create_training_job(**request_for(name))["TrainingJobArn"]
    ended = _ended(sagemaker, name)

    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert ended["TrainingJobArn"] == arn
    assert [step["Status"] for step in ended["SecondaryStatusTransitions"]] == [
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    metrics = {metric["MetricName"]: metric["Value"] for metric in ended["FinalMetricDataList"]}
    assert metrics == pytest.approx({"accuracy": 0.8})
    assert ended["TrainingStartTime"] <= ended["TrainingEndTime"]
    model = fetch(ended["ModelArtifacts"]["S3ModelArtifacts"])
    seen = json.loads(unpacked(model)["model.json"])
    assert seen["train"] == ["1.txt", "2 ü.txt"]
    assert seen["channels"] == ["code", "train"]
    assert seen["hps"]["epochs"] == 4
    assert seen["config"]["epochs"] == "4"
    assert not [name for name in seen["variables"] if "SECRET" in name or name == "AWS_ENDPOINT_URL"]
    assert not [path for path in seen["path"] if path.endswith("/main")]
    assert unpacked(fetch(f"s3://{bucket}/{name}/out/{name}/output/output.tar.gz")) == {"curve.csv": b"1,2"}
    assert fetch(f"s3://{bucket}/{name}/checkpoints/epoch.txt") == b"4"


def test_a_job_resumes_when_its_checkpoints_are_there(
    sagemaker: Any,
    request_for: Callable[..., dict[str, Any]],
    put: Callable[[str, bytes], str],
    fetch: Callable[[str], bytes],
) -> None:
    name = unique("resume")
    request = request_for(name)
    put(f"{name}/checkpoints/epoch.txt", b"2")
    sagemaker.create_training_job(**request)
    ended = _ended(sagemaker, name)
    model = unpacked(fetch(ended["ModelArtifacts"]["S3ModelArtifacts"]))
    assert json.loads(model["model.json"])["before"] == "2"


def test_the_failure_file_is_the_reason_when_a_script_fails(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("fail")
    sagemaker.create_training_job(**request_for(name, "fail"))
    ended = _ended(sagemaker, name)
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"] == "AlgorithmError: No images are left., exit code: 3"


def test_a_job_fails_when_a_channel_is_empty(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]], bucket: str
) -> None:
    name = unique("empty")
    request = request_for(name)
    request["InputDataConfig"][0] = _channel("train", f"s3://{bucket}/{name}/nothing")
    sagemaker.create_training_job(**request)
    ended = _ended(sagemaker, name)
    assert ended["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")


def test_the_log_is_live_and_a_stopped_job_keeps_its_model_when_it_is_stopped(
    cloud: Instance, sagemaker: Any, request_for: Callable[..., dict[str, Any]], fetch: Callable[[str], bytes]
) -> None:
    name = unique("stop")
    sagemaker.create_training_job(**request_for(name, "sleep"))
    logs = cloud.client("logs")

    def lines() -> list[str]:
        group = "/aws/sagemaker/TrainingJobs"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/algo-1-")
        return [event["message"] for event in found["events"]]

    wait(lines, lambda seen: "asleep" in seen)
    assert sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training"
    sagemaker.stop_training_job(TrainingJobName=name)
    ended = _ended(sagemaker, name)
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert unpacked(fetch(ended["ModelArtifacts"]["S3ModelArtifacts"])) == {"partial": b"kept"}


def test_a_job_is_stopped_when_it_runs_too_long(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("long")
    request = request_for(name, "sleep", StoppingCondition={"MaxRuntimeInSeconds": 1})
    sagemaker.create_training_job(**request)
    ended = _ended(sagemaker, name)
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_errors_are_those_of_aws_when_names_are_wrong(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("twice")
    sagemaker.create_training_job(**request_for(name, "fail"))
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="must be unique"):
        sagemaker.create_training_job(**request_for(name, "fail"))
    with pytest.raises(ClientError, match=r"ValidationException.*Requested resource not found"):
        sagemaker.describe_training_job(TrainingJobName="absent")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.stop_training_job(TrainingJobName="absent")
    with pytest.raises(ClientError, match=r"ValidationException.*enum value set"):
        sagemaker.create_training_job(
            **request_for(
                unique("typed"),
                ResourceConfig={"InstanceType": "ml.huge", "InstanceCount": 1, "VolumeSizeInGB": 1},
            )
        )
    assert _ended(sagemaker, name)["TrainingJobStatus"] == "Failed"


def test_sagemaker_core_reads_a_job_back_when_it_has_ended(
    cloud: Instance,
    sagemaker: Any,
    request_for: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = unique("core")
    sagemaker.create_training_job(**request_for(name))
    for key, value in cloud.environment().items():
        if key.startswith("AWS_"):
            monkeypatch.setenv(key, value)
    resources = pytest.importorskip("sagemaker.core.resources")
    job = resources.TrainingJob.get(training_job_name=name)
    job.wait(poll=1, timeout=60)
    assert job.training_job_status == "Completed"
    assert job.model_artifacts.s3_model_artifacts.endswith("/output/model.tar.gz")
    assert name in [each.training_job_name for each in resources.TrainingJob.get_all(name_contains=name)]
