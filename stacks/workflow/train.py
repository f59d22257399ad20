"""Train: one training job with the toolkit's contract."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_stepfunctions as sfn

from stacks import images
from stacks.instances import has_local_storage
from stacks.workflow.context import Context, expression
from stacks.workflow.tasks import STARTING_MINUTES, Tasks

METRICS = (
    ("validation:accuracy", r"validation_accuracy=([0-9.]+)"),
    ("validation:loss", r"validation_loss=([0-9.]+)"),
    ("train:loss", r"train_loss=([0-9.]+)"),
    ("held_out:accuracy", r"held_out_accuracy=([0-9.]+)"),
)


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def train(make: Tasks, context: Context) -> sfn.Chain:
    """Train a model on the staged version."""
    settings = context.settings.training
    limit = settings.max_runtime_minutes * 60
    resources: dict[str, Any] = {
        "InstanceType": settings.instance_type,
        "InstanceCount": settings.instance_count,
        "VolumeSizeInGB": 30,
    }
    if not has_local_storage(settings.instance_type):
        resources["VolumeKmsKeyId"] = context.key.key_arn
    request = {
        "TrainingJobName": context.name("train"),
        "RoleArn": context.job_role.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": images.uri(context.code, images.PYTORCH[settings.gpu]),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in METRICS],
        },
        "HyperParameters": {
            **settings.given,
            "target-error": str(context.settings.target_error),
            "classes": ",".join(context.settings.classes),
            "checkpoint-dir": "/opt/ml/checkpoints",
            "sagemaker_program": "train.py",
            # A local path, because an isolated job cannot fetch it; the channel brings the archive.
            "sagemaker_submit_directory": f"/opt/ml/input/data/code/{context.code.s3_object_key}",
            # The toolkit then starts the script with torchrun.
            **({"sagemaker_torch_distributed_enabled": "true"} if settings.distributed else {}),
        },
        "InputDataConfig": [
            _channel("train", context.dataset_uri("$version & '/train/'")),
            _channel("validation", context.dataset_uri("$version & '/validation/'")),
            _channel("manifest", context.dataset_uri("$version & '/manifest.json'")),
            _channel("weights", context.weights.s3_object_url),
            _channel("code", context.code.s3_object_url),
        ],
        "OutputDataConfig": {"S3OutputPath": context.run_uri("train"), "KmsKeyId": context.key.key_arn},
        "CheckpointConfig": {"S3Uri": context.run_uri("checkpoints/")},
        "ResourceConfig": resources,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": limit,
            **({"MaxWaitTimeInSeconds": settings.wait_minutes * 60} if settings.spot else {}),
        },
        "EnableManagedSpotTraining": settings.spot,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": settings.instance_count > 1,
        "Tags": context.tags,
    }
    run = make.job(
        "Train",
        "createTrainingJob",
        request,
        timeout_minutes=settings.wait_minutes + STARTING_MINUTES,
        assign={"trainingArtifact": expression("$states.result.ModelArtifacts.S3ModelArtifacts")},
    )
    return sfn.Chain.start(run)
