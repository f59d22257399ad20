"""Training jobs: the container's contract, and the training toolkit's for images that carry it."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

from localcloud.sagemaker import jobs, storage
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import KINDS, STORE, Record, now

KIND = KINDS["TrainingJob"]
HOST = "algo-1"


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Start a training job."""
    record = STORE.add(
        KIND,
        request,
        TrainingJobStatus="InProgress",
        SecondaryStatus="Starting",
        SecondaryStatusTransitions=[],
    )
    jobs.start(record, _work)
    return {KIND.arn: record.arn}


def _step(record: Record, status: str) -> None:
    transitions = record.shown["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1]["EndTime"] = now()
    transitions.append({"Status": status, "StartTime": now()})
    record.update(SecondaryStatus=status)


def _work(record: Record, root: Path) -> None:
    request = record.shown
    log = LogStream("/aws/sagemaker/TrainingJobs", f"{record.name}/{HOST}-{int(now().timestamp())}")
    try:
        _step(record, "Downloading")
        for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code"):
            (root / name).mkdir(parents=True)
        channels = request.get("InputDataConfig", [])
        for channel in channels:
            source = channel["DataSource"]["S3DataSource"]["S3Uri"]
            storage.download(source, root / "input" / "data" / channel["ChannelName"])
        checkpoints = request.get("CheckpointConfig", {})
        if checkpoints:
            storage.download(checkpoints["S3Uri"], root / "checkpoints", required=False)
        parameters = {
            key: jobs.mapped(value, root) for key, value in request.get("HyperParameters", {}).items()
        }
        _configure(request, parameters, channels, root)
        _step(record, "Training")
        request["TrainingStartTime"] = now()
        variables = jobs.environment(
            root,
            {
                "TRAINING_JOB_NAME": record.name,
                "TRAINING_JOB_ARN": record.arn,
                **request.get("Environment", {}),
            },
            isolated=request.get("EnableNetworkIsolation", False),
        )
        command, toolkit = _command(request, parameters, channels, root)
        limit = request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        try:
            code = jobs.run(
                record, command, {**variables, **toolkit}, folder=root / "code", log=log, limit=limit
            )
        finally:
            if checkpoints:
                storage.upload(root / "checkpoints", checkpoints["S3Uri"])
        if code:
            raise JobFailedError(jobs.failure(root / "output" / "failure", code, log))
        _step(record, "Uploading")
        _upload(record, root, list(log.tail))
    finally:
        log.close()
        _step(record, record.shown["SecondaryStatus"])


def _configure(
    request: dict[str, Any], parameters: dict[str, str], channels: list[dict[str, Any]], root: Path
) -> None:
    folder = root / "input" / "config"
    described = {
        channel["ChannelName"]: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
        for channel in channels
    }
    resources = {
        "current_host": HOST,
        "hosts": [HOST],
        "current_instance_type": request["ResourceConfig"].get("InstanceType"),
        "network_interface_name": "lo",
    }
    for name, content in (
        ("hyperparameters", parameters),
        ("inputdataconfig", described),
        ("resourceconfig", resources),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))


def _command(
    request: dict[str, Any], parameters: dict[str, str], channels: list[dict[str, Any]], root: Path
) -> tuple[list[str], dict[str, str]]:
    algorithm = request["AlgorithmSpecification"]
    if algorithm.get("ContainerEntrypoint"):
        words = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
        return [jobs.mapped(word, root) for word in words], {}
    if "sagemaker_program" not in parameters:
        raise JobFailedError(
            "ClientError: the image needs the hyperparameters sagemaker_program and sagemaker_submit_directory."
        )
    source = Path(parameters["sagemaker_submit_directory"])
    # One object of a channel, whose name the caller may not know: the folder stands for it.
    archive = next(iter(sorted(source.iterdir())), source) if source.is_dir() else source
    try:
        with tarfile.open(archive) as code:
            code.extractall(root / "code", filter="data")
    except (OSError, tarfile.TarError) as error:
        raise JobFailedError(
            f"ClientError: the code archive {source.name} cannot be read: {error}."
        ) from error
    own = {
        key: value for key, value in parameters.items() if not key.startswith("sagemaker_") and value != ""
    }
    words = [word for key, value in sorted(own.items()) for word in (f"--{key}", value)]
    toolkit = {
        "PYTHONPATH": str(root / "code"),
        "SM_MODEL_DIR": str(root / "model"),
        "SM_OUTPUT_DATA_DIR": str(root / "output" / "data"),
        "SM_OUTPUT_DIR": str(root / "output"),
        "SM_INPUT_DIR": str(root / "input"),
        "SM_CHANNELS": json.dumps([channel["ChannelName"] for channel in channels]),
        "SM_HPS": json.dumps(own),
        "SM_NUM_GPUS": "0",
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
        "SM_CURRENT_HOST": HOST,
        "SM_HOSTS": json.dumps([HOST]),
        "SM_USER_ENTRY_POINT": parameters["sagemaker_program"],
        "SM_USER_ARGS": json.dumps(words),
        **{f"SM_HP_{key.upper().replace('-', '_')}": value for key, value in own.items()},
        **{
            f"SM_CHANNEL_{channel['ChannelName'].upper()}": str(
                root / "input" / "data" / channel["ChannelName"]
            )
            for channel in channels
        },
    }
    return ["python3", parameters["sagemaker_program"], *words], toolkit


def _upload(record: Record, root: Path, lines: list[str]) -> None:
    target = f"{record.shown['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{record.name}/output"
    storage.upload_archive(root / "model", f"{target}/model.tar.gz", root / "model.tar.gz")
    if any((root / "output" / "data").iterdir()):
        storage.upload_archive(root / "output" / "data", f"{target}/output.tar.gz", root / "output.tar.gz")
    record.update(
        ModelArtifacts={"S3ModelArtifacts": f"{target}/model.tar.gz"},
        FinalMetricDataList=_metrics(
            record.shown["AlgorithmSpecification"].get("MetricDefinitions", []), lines
        ),
        BillableTimeInSeconds=max(1, int((now() - record.shown["TrainingStartTime"]).total_seconds())),
        TrainingTimeInSeconds=max(1, int((now() - record.shown["TrainingStartTime"]).total_seconds())),
    )


def _metrics(definitions: list[dict[str, str]], lines: list[str]) -> list[dict[str, Any]]:
    found = []
    for definition in definitions:
        values = [match for line in lines for match in re.findall(definition["Regex"], line)]
        if values:
            found.append({"MetricName": definition["Name"], "Value": float(values[-1]), "Timestamp": now()})
    return found
