"""Training jobs: the container's contract, and the training toolkit's for images that carry it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.sagemaker import images, jobs, rules, storage, toolkit
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import KINDS, STORE, Record, now

KIND = KINDS["TrainingJob"]


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Start a training job."""
    rules.training(request)
    record = STORE.add(
        KIND,
        request,
        TrainingJobStatus="InProgress",
        SecondaryStatus="Starting",
        SecondaryStatusTransitions=[],
    )
    jobs.start(record, _work, request["RoleArn"])
    return {KIND.arn: record.arn}


def _work(record: Record, root: Path) -> None:
    stream = f"{record.name}/{toolkit.HOST}-{int(now().timestamp())}"
    log = LogStream("/aws/sagemaker/TrainingJobs", stream)
    try:
        jobs.step(record, "Downloading")
        images.pull(record.shown["AlgorithmSpecification"].get("TrainingImage", ""))
        parameters = _prepare(record.shown, root)
        jobs.step(record, "Training")
        try:
            _train(record, parameters, root, log)
        except jobs.JobStoppedError:
            # What a stopped job has written is kept, as on AWS.
            _upload(record, root)
            raise
        jobs.step(record, "Uploading")
        _upload(record, root)
    finally:
        log.close()


def _prepare(request: dict[str, Any], root: Path) -> dict[str, str]:
    """Make the container's folders, bring its input, and return its hyperparameters."""
    for name in ("input/config", "input/data", "model", "output/data", "checkpoints", "code"):
        (root / name).mkdir(parents=True)
    channels = request.get("InputDataConfig", [])
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]["S3Uri"]
        storage.download(source, root / "input" / "data" / channel["ChannelName"])
    if checkpoints := request.get("CheckpointConfig"):
        storage.download(checkpoints["S3Uri"], root / "checkpoints", required=False)
    given = request.get("HyperParameters", {})
    parameters = {key: jobs.mapped(value, root) for key, value in given.items()}
    _configure(request, parameters, channels, root)
    return parameters


def _train(record: Record, parameters: dict[str, str], root: Path, log: LogStream) -> None:
    request = record.shown
    own = {"TRAINING_JOB_NAME": record.name, "TRAINING_JOB_ARN": record.arn, **request.get("Environment", {})}
    variables = jobs.environment(root, own, isolated=request.get("EnableNetworkIsolation", False))
    command, added = _command(request, parameters, root)
    record.update(TrainingStartTime=now())
    try:
        code = jobs.run(
            record,
            command,
            {**variables, **added},
            folder=root / "code",
            log=log,
            limit=request["StoppingCondition"].get("MaxRuntimeInSeconds", 86400),
            on_line=_metrics(record),
        )
    finally:
        seconds = max(1, int((now() - request["TrainingStartTime"]).total_seconds()))
        record.update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds)
        if checkpoints := request.get("CheckpointConfig"):
            storage.upload(root / "checkpoints", checkpoints["S3Uri"])
    if code:
        raise JobFailedError(jobs.failure(root / "output" / "failure", code, log))


def _configure(
    request: dict[str, Any], parameters: dict[str, str], channels: list[dict[str, Any]], root: Path
) -> None:
    folder = root / "input" / "config"
    described = {
        channel["ChannelName"]: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
        for channel in channels
    }
    resources = {
        "current_host": toolkit.HOST,
        "hosts": [toolkit.HOST],
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
    request: dict[str, Any], parameters: dict[str, str], root: Path
) -> tuple[list[str], dict[str, str]]:
    """Return the container's command and what its entry point adds to the environment."""
    algorithm = request["AlgorithmSpecification"]
    if algorithm.get("ContainerEntrypoint"):
        words = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
        return [jobs.mapped(word, root) for word in words], {}
    if toolkit.PROGRAM not in parameters or toolkit.CODE not in parameters:
        raise JobFailedError(
            f"AlgorithmError: the image needs the hyperparameters {toolkit.PROGRAM} and {toolkit.CODE}."
        )
    program = parameters[toolkit.PROGRAM]
    isolated = request.get("EnableNetworkIsolation", False)
    toolkit.install(parameters[toolkit.CODE], root / "code", isolated=isolated)
    if not (root / "code" / program).is_file():
        raise JobFailedError(f"AlgorithmError: the code has no {program}.")
    own = toolkit.decoded(parameters)
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    command = toolkit.command(program, parameters, request["ResourceConfig"].get("InstanceCount", 1))
    return command, toolkit.variables(own, channels, program, root)


def _upload(record: Record, root: Path) -> None:
    target = f"{record.shown['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{record.name}/output"
    storage.upload_archive(root / "model", f"{target}/model.tar.gz", root / "model.tar.gz")
    if any((root / "output" / "data").iterdir()):
        storage.upload_archive(root / "output" / "data", f"{target}/output.tar.gz", root / "output.tar.gz")
    record.update(ModelArtifacts={"S3ModelArtifacts": f"{target}/model.tar.gz"})


def _metrics(record: Record) -> Callable[[str], None]:
    """Return what reads the metrics that a job's definitions find in its lines, the last value of each."""
    definitions = record.shown["AlgorithmSpecification"].get("MetricDefinitions", [])
    patterns = [(definition["Name"], re.compile(definition["Regex"])) for definition in definitions]
    final: dict[str, dict[str, Any]] = {}

    def reading(line: str) -> None:
        for name, pattern in patterns:
            for match in pattern.finditer(line):
                value = _number(match[1] if pattern.groups else match[0])
                if value is not None:
                    final[name] = {"MetricName": name, "Value": value, "Timestamp": now()}
        if final:
            record.shown["FinalMetricDataList"] = list(final.values())

    return reading


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
