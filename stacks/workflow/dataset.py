"""Stage the data: a processing job, then what it found."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_stepfunctions as sfn

from stacks import images
from stacks.instances import JOB_INSTANCE
from stacks.settings.data import CifarData, DrawingsData, S3Data
from stacks.settings.training import STARTING_MINUTES
from stacks.workflow.context import RUN, Context, JobContext, expression
from stacks.workflow.tasks import Tasks

INPUT = "/opt/ml/processing/input"
OUTPUT = "/opt/ml/processing/output"
JOB_MINUTES = 30
# Quoted, because the paths may hold spaces where `/opt/ml` is a folder of a laptop.
ENTRYPOINT = [
    "bash",
    "-ec",
    "mkdir -p '/opt/ml/processing/code' && "
    "tar -xzf '/opt/ml/processing/input/code/'*.gz -C '/opt/ml/processing/code' && "
    "cd '/opt/ml/processing/code' && exec python3 \"$@\"",
    "job",
]


def s3_input(name: str, uri: str, folder: str) -> dict[str, Any]:
    """Return a processing input."""
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{INPUT}/{folder}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def s3_output(name: str, uri: str, folder: str) -> dict[str, Any]:
    """Return a processing output, sent when the job ends."""
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": f"{OUTPUT}/{folder}", "S3UploadMode": "EndOfJob"},
    }


def processing(
    context: JobContext, step: str, arguments: Any, inputs: Any, outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the request of a processing job that runs the project's code."""
    return {
        "ProcessingJobName": context.name(step),
        "RoleArn": context.job_role.role_arn,
        "AppSpecification": {
            "ImageUri": images.uri(context.code, images.PYTORCH[False]),
            "ContainerEntrypoint": ENTRYPOINT,
            "ContainerArguments": arguments,
        },
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": outputs, "KmsKeyId": context.key.key_arn},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": JOB_INSTANCE,
                "VolumeSizeInGB": 30,
                "VolumeKmsKeyId": context.key.key_arn,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": JOB_MINUTES * 60},
        "Tags": context.tags,
    }


def _source(context: Context) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return the stage's arguments and inputs for the data source, and whether it may be isolated."""
    data = context.settings.data
    if isinstance(data, CifarData):
        return ["--source", "cifar100", "--url", data.url, "--md5", data.md5], [], False
    if isinstance(data, DrawingsData):
        words = ["--source", "drawings", "--per-class", str(data.per_class), "--seed", str(data.seed)]
        return words, [], True
    if isinstance(data, S3Data):
        return ["--source", "folder"], [s3_input("source", data.uri, "source")], True
    assert context.source is not None  # noqa: S101  # the stack makes it for folders
    return ["--source", "folder"], [s3_input("source", context.source.s3_object_url, "source")], True


def stage(make: Tasks, context: Context) -> sfn.Chain:
    """Stage the data and learn its version."""
    words, inputs, isolated = _source(context)
    index, reviewed = f"{context.classifier}/index", f"{context.classifier}/reviewed"
    bucket = context.datasets.bucket_name
    objects = context.datasets.arn_for_objects(f"{context.classifier}/*")
    seed = make.aws(
        "SeedIndex",
        "s3:putObject",
        # A processing input of no objects fails the job, and before the first run there are no versions.
        {"Bucket": bucket, "Key": f"{index}/_", "Body": "The names of the complete dataset versions."},
        resources=[objects],
    )
    seed_reviewed = make.aws(
        "SeedReviewed",
        "s3:putObject",
        # As above: before the first review there is no picture.
        {"Bucket": bucket, "Key": f"{reviewed}/_", "Body": "Pictures that people classified, by class."},
        resources=[objects],
    )
    request = processing(
        context,
        "stage",
        [
            "stage.py",
            *words,
            *("--classes", ",".join(context.settings.classes)),
            *("--input", f"{INPUT}/source", "--index", f"{INPUT}/index"),
            *("--reviewed", f"{INPUT}/reviewed"),
            *("--dataset", f"{OUTPUT}/dataset", "--splits", f"{OUTPUT}/splits"),
            *("--summary", f"{OUTPUT}/summary"),
        ],
        [
            *inputs,
            s3_input("index", f"s3://{bucket}/{index}/", "index"),
            s3_input("reviewed", f"s3://{bucket}/{reviewed}/", "reviewed"),
            s3_input("code", context.code.s3_object_url, "code"),
        ],
        [
            s3_output("dataset", f"s3://{bucket}/{context.classifier}", "dataset"),
            s3_output("splits", f"s3://{bucket}/{index}", "splits"),
            s3_output("summary", context.dataset_uri(f"'runs/' & {RUN}"), "summary"),
        ],
    )
    request["NetworkConfig"] = {"EnableNetworkIsolation": isolated}
    run = make.job("Stage", "createProcessingJob", request, timeout_minutes=JOB_MINUTES + STARTING_MINUTES)
    read = make.aws(
        "ReadSummary",
        "s3:getObject",
        {"Bucket": bucket, "Key": expression(f"'{context.classifier}/runs/' & {RUN} & '/summary.json'")},
        resources=[objects],
        assign={"version": expression("$parse($states.result.Body).version")},
    )
    remember = make.aws(
        "RememberVersion",
        "s3:putObject",
        {"Bucket": bucket, "Key": expression(f"'{index}/' & $version"), "Body": expression(RUN)},
        resources=[objects],
    )
    return sfn.Chain.start(seed).next(seed_reviewed).next(run).next(read).next(remember)
