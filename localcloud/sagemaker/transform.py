"""Batch transform: a serving container for as long as it takes to send it every object of a prefix."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localcloud import access
from localcloud.containers import ray_serve
from localcloud.containers.container import Container
from localcloud.sagemaker import jobs, rules, storage
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import KINDS, STORE, Record, now

KIND = KINDS["TransformJob"]
MEGABYTE = 1024 * 1024


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Start a transform job of a model that exists."""
    rules.transform(request)
    model = STORE.get(KINDS["Model"], request["ModelName"])
    record = STORE.add(KIND, request, TransformJobStatus="InProgress")
    jobs.start(record, _work, model.shown["ExecutionRoleArn"])
    return {KIND.arn: record.arn}


def _work(record: Record, root: Path) -> None:
    log = LogStream("/aws/sagemaker/TransformJobs", f"{record.name}/algo-1-{int(now().timestamp())}")
    model = STORE.get(KINDS["Model"], record.shown["ModelName"])
    try:
        container = ray_serve.start(model.shown, record.shown.get("Environment", {}), root, log, record.stop)
        try:
            _send_all(record, container)
        finally:
            container.stop()
    finally:
        log.close()


def _send_all(record: Record, container: Container) -> None:
    request = record.shown
    source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    _, prefix = storage.split(source)
    found = list(storage.keys(source))
    if not found:
        raise JobFailedError(f"ClientError: No S3 objects found under S3 URL {source}.")
    request["TransformStartTime"] = now()
    failed = threading.Event()
    s3 = access.client("s3")

    def send(key: str) -> None:
        if record.stop.is_set() or failed.is_set():
            return
        try:
            _send(request, container, s3, key, prefix)
        except JobFailedError:
            failed.set()
            raise

    with ThreadPoolExecutor(request.get("MaxConcurrentTransforms") or 1) as pool:
        list(pool.map(send, found))
    if record.stop.is_set():
        raise jobs.JobStoppedError


def _send(request: dict[str, Any], container: Container, s3: Any, key: str, prefix: str) -> None:
    bucket, _ = storage.split(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    limit = request.get("MaxPayloadInMB", 6)
    if len(body) > limit * MEGABYTE:
        raise JobFailedError(f"ClientError: {key} is larger than MaxPayloadInMB, {limit}.")
    settings = request.get("ModelClientConfig", {})
    headers = {"Content-Type": request["TransformInput"].get("ContentType", "application/octet-stream")}
    if accept := request["TransformOutput"].get("Accept"):
        headers["Accept"] = accept
    for attempt in range(settings.get("InvocationsMaxRetries", 3) + 1):
        answer = container.invoke(body, headers, timeout=settings.get("InvocationsTimeoutInSeconds", 600))
        if answer.status == 200:
            break
        if 400 <= answer.status < 500 and answer.status != 429:
            raise JobFailedError(
                f"ClientError: {key}: {answer.status} {answer.body.decode(errors='replace')}"
            )
        time.sleep(min(2.0**attempt * 0.2, 5.0))
    else:
        raise JobFailedError(f"AlgorithmError: {key}: {answer.status} {answer.body.decode(errors='replace')}")
    out_bucket, out_prefix = storage.split(request["TransformOutput"]["S3OutputPath"])
    target = f"{out_prefix.rstrip('/')}/{storage.relative(key, prefix)}.out"
    s3.put_object(Bucket=out_bucket, Key=target, Body=answer.body)
