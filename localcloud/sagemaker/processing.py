"""Processing jobs: S3 to folders, one command, folders to S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localcloud.sagemaker import images, jobs, rules, storage
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import KINDS, STORE, Record, now

KIND = KINDS["ProcessingJob"]


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Start a processing job."""
    rules.processing(request)
    record = STORE.add(KIND, request, ProcessingJobStatus="InProgress")
    jobs.start(record, _work, request["RoleArn"])
    return {KIND.arn: record.arn}


def _folder(path: str, root: Path) -> Path:
    folder = Path(jobs.mapped(path, root))
    if root not in folder.parents:
        raise JobFailedError(f"ClientError: LocalPath {path} is not below /opt/ml/processing.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _work(record: Record, root: Path) -> None:
    request = record.shown
    log = LogStream("/aws/sagemaker/ProcessingJobs", f"{record.name}/algo-1-{int(now().timestamp())}")
    try:
        images.pull(request["AppSpecification"]["ImageUri"])
        (root / "output").mkdir()
        (root / "config").mkdir()
        (root / "config" / "processingjobconfig.json").write_text(json.dumps(request, default=str))
        for channel in request.get("ProcessingInputs", []):
            storage.download(channel["S3Input"]["S3Uri"], _folder(channel["S3Input"]["LocalPath"], root))
        outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        folders = [_folder(output["S3Output"]["LocalPath"], root) for output in outputs]
        specification = request["AppSpecification"]
        words = [*specification.get("ContainerEntrypoint", []), *specification.get("ContainerArguments", [])]
        if not words:
            raise JobFailedError("ClientError: the local SageMaker needs a ContainerEntrypoint.")
        variables = jobs.environment(
            root,
            {"PROCESSING_JOB_NAME": record.name, **request.get("Environment", {})},
            isolated=request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )
        limit = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        request["ProcessingStartTime"] = now()
        command = [jobs.mapped(word, root) for word in words]
        code = jobs.run(record, command, variables, folder=root, log=log, limit=limit)
        message = root / "output" / "message"
        if message.is_file():
            record.update(ExitMessage=message.read_text(errors="replace").strip()[:1024])
        if code:
            raise JobFailedError(jobs.failure(message, code, log))
        for folder, output in zip(folders, outputs, strict=True):
            storage.upload(folder, output["S3Output"]["S3Uri"])
    finally:
        log.close()
