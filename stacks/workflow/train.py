"""Train: one training job with the toolkit's contract, or a search among several for the best one."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import search_prefix
from stacks import images
from stacks.archives import sha256, weights_file
from stacks.instances import has_local_storage
from stacks.settings.training import STARTING_MINUTES, RangeSettings, SearchSettings, text
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.tasks import Tasks
from training.hyperparameters import Hyperparameters

METRICS = (
    ("validation:accuracy", r"validation_accuracy=([0-9.]+)"),
    ("validation:loss", r"validation_loss=([0-9.]+)"),
    ("train:loss", r"train_loss=([0-9.]+)"),
    ("held_out:accuracy", r"held_out_accuracy=([0-9.]+)"),
    ("held_out:loss", r"held_out_loss=([0-9.]+)"),
)
OBJECTIVE = "held_out:loss"
"""What a search makes small: the loss on pictures that were not learnt from, calibrated."""
CHECKPOINTS = "/opt/ml/checkpoints"


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def train(make: Tasks, context: Context) -> sfn.Chain:
    """Train a model on the staged version."""
    settings = context.settings.training
    if settings.search is not None:
        return _search(make, context, settings.search)
    run = make.job(
        "Train",
        "createTrainingJob",
        {
            "TrainingJobName": context.name("train"),
            "HyperParameters": _hyperparameters(context, CHECKPOINTS),
            "CheckpointConfig": {"S3Uri": context.run_uri("checkpoints/")},
            **_definition(context),
            "Tags": context.tags,
        },
        timeout_minutes=settings.wait_minutes + STARTING_MINUTES,
        assign={"trainingArtifact": expression("$states.result.ModelArtifacts.S3ModelArtifacts")},
    )
    return sfn.Chain.start(run)


def _search(make: Tasks, context: Context, search: SearchSettings) -> sfn.Chain:
    """Try hyperparameters in as many training jobs as the settings say, and take the best one's model."""
    begins = search_prefix(context.prefix)
    # Shared by every search over this code, these settings and this data: one that starts again draws the same
    # trials, and each goes on from where it was.
    checkpoints = expression(
        f"'s3://{context.models.bucket_name}/{context.classifier}/searches/{context.training_fingerprint}/' & "
        "$version & '/'"
    )
    run = make.job(
        "Search",
        "createHyperParameterTuningJob",
        {
            "HyperParameterTuningJobName": expression(
                f"'{begins}-' & {RUN} & '-' & $string($states.context.State.RetryCount)"
            ),
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "RandomSeed": 0,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": OBJECTIVE},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": search.trials,
                    "MaxParallelTrainingJobs": search.parallel,
                },
                "ParameterRanges": _ranges(search),
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": _hyperparameters(context, f"{CHECKPOINTS}/{{trial}}"),
                "CheckpointConfig": {"S3Uri": checkpoints},
                **_definition(context),
            },
            "Tags": context.tags,
        },
        timeout_minutes=search.rounds * (context.settings.training.wait_minutes + STARTING_MINUTES),
        names=begins,
        assign={"bestJob": expression("$states.result.BestTrainingJob.TrainingJobName")},
    )
    best = make.aws(
        "ReadBest",
        "sagemaker:describeTrainingJob",
        {"TrainingJobName": expression("$bestJob")},
        resources=[context.arn("sagemaker", f"training-job/{begins}-*")],
        assign={"trainingArtifact": expression("$states.result.ModelArtifacts.S3ModelArtifacts")},
    )
    return sfn.Chain.start(run).next(best)


def _ranges(search: SearchSettings) -> dict[str, Any]:
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, given in search.ranges.items():
        key = name.replace("_", "-")
        if given.values:
            values = [text(name, value) for value in given.values]
            ranges.setdefault("CategoricalParameterRanges", []).append({"Name": key, "Values": values})
            continue
        whole = type(getattr(Hyperparameters, key.replace("-", "_"))) is int
        ranges.setdefault("IntegerParameterRanges" if whole else "ContinuousParameterRanges", []).append(
            {"Name": key, **_bounds(name, given)}
        )
    return ranges


def _bounds(name: str, given: RangeSettings) -> dict[str, str]:
    return {
        "MinValue": text(name, given.minimum),
        "MaxValue": text(name, given.maximum),
        "ScalingType": {"linear": "Linear", "log": "Logarithmic"}[given.scale],
    }


def _hyperparameters(context: Context, checkpoints: str) -> dict[str, str]:
    settings = context.settings.training
    return {
        **settings.given,
        "target-error": str(context.settings.target_error),
        "classes": ",".join(context.settings.classes),
        "weights-sha256": sha256(weights_file()),
        "checkpoint-dir": checkpoints,
        "sagemaker_program": "train.py",
        # A local path, because an isolated job cannot fetch it; the channel brings the archive.
        "sagemaker_submit_directory": f"/opt/ml/input/data/code/{context.code.s3_object_key}",
        # The toolkit then starts the script with torchrun.
        **({"sagemaker_torch_distributed_enabled": "true"} if settings.distributed else {}),
    }


def _definition(context: Context) -> dict[str, Any]:
    """Return what a training job and a search's training jobs have alike."""
    settings = context.settings.training
    resources: dict[str, Any] = {
        "InstanceType": settings.instance_type,
        "InstanceCount": settings.instance_count,
        "VolumeSizeInGB": 30,
    }
    if not has_local_storage(settings.instance_type):
        resources["VolumeKmsKeyId"] = context.key.key_arn
    return {
        "RoleArn": context.job_role.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": images.uri(context.code, images.PYTORCH[settings.gpu]),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in METRICS],
        },
        "InputDataConfig": [
            _channel("train", context.dataset_uri("$version & '/train/'")),
            _channel("validation", context.dataset_uri("$version & '/validation/'")),
            _channel("manifest", context.dataset_uri("$version & '/manifest.json'")),
            _channel("weights", context.weights.s3_object_url),
            _channel("code", context.code.s3_object_url),
        ],
        "OutputDataConfig": {"S3OutputPath": context.run_uri("train"), "KmsKeyId": context.key.key_arn},
        "ResourceConfig": resources,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": settings.max_runtime_minutes * 60,
            **({"MaxWaitTimeInSeconds": settings.wait_minutes * 60} if settings.spot else {}),
        },
        "EnableManagedSpotTraining": settings.spot,
        "EnableNetworkIsolation": True,
        # Nobody says that the optimized integration takes it, so that one instance goes without.
        **({"EnableInterContainerTrafficEncryption": True} if settings.instance_count > 1 else {}),
    }
