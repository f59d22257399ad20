"""Data capture: what a variant was asked and answered, as lines of files in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import datetime
import json
import logging
import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud import access
from localcloud.containers.container import Answer, Log
from localcloud.sagemaker import jobs, storage
from localcloud.sagemaker.pace import TIME_SCALE
from localcloud.sagemaker.store import REGION, Record, now

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0 * TIME_SCALE
"""How long the first of a file's lines waits for others; minutes on AWS."""
FULL_BYTES = 8 * 1024 * 1024
"""What is written without waiting any longer."""
LIMIT_BYTES = 64 * 1024 * 1024
"""What waits at most. Beyond it captures are dropped, as SageMaker drops them when its disk is full."""
CLOSE_SECONDS = 10.0
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"


@dataclass(frozen=True)
class Exchange:
    """One request with the answer to it."""

    time: datetime.datetime
    body: bytes
    headers: Mapping[str, str]
    answer: Answer

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.body) + len(self.answer.body)


def summary(config: Record) -> dict[str, Any] | None:
    """Describe a configuration's data capture as an endpoint does, or nothing where none is configured."""
    settings = config.shown.get("DataCaptureConfig")
    if settings is None:
        return None
    enabled = settings.get("EnableCapture", True)
    key = {"KmsKeyId": settings["KmsKeyId"]} if "KmsKeyId" in settings else {}
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": settings["InitialSamplingPercentage"],
        "DestinationS3Uri": settings["DestinationS3Uri"],
        **key,
    }


def line(exchange: Exchange, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written of one exchange.

    Parameters
    ----------
    settings
        `DataCaptureConfig`.
    """
    modes = {option["CaptureMode"] for option in settings["CaptureOptions"]}
    known = settings.get("CaptureContentTypeHeader", {})
    captured = {}
    if modes & {"Input", "InputAndOutput"}:
        captured["endpointInput"] = _side("INPUT", exchange.headers, exchange.body, known)
    if modes & {"Output", "InputAndOutput"}:
        captured["endpointOutput"] = _side("OUTPUT", exchange.answer.headers, exchange.answer.body, known)
    metadata = {"eventId": str(uuid.uuid4())}
    if inference := _header(exchange.headers, INFERENCE_ID):
        metadata["inferenceId"] = inference
    metadata["inferenceTime"] = f"{exchange.time:%Y-%m-%dT%H:%M:%SZ}"
    return {"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}


def _side(
    mode: str, headers: Mapping[str, str], data: bytes, known: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    observed = _header(headers, "Content-Type")
    # AWS's own example has `text/csv; charset=utf-8` as CSV where `text/csv` is listed.
    media = observed.partition(";")[0].strip().lower()
    encoding = "BASE64"
    for kind in ("CSV", "JSON"):
        if media in (each.lower() for each in known.get(f"{kind.title()}ContentTypes", ())):
            encoding = kind
    text = base64.b64encode(data).decode() if encoding == "BASE64" else data.decode(errors="replace")
    return {"observedContentType": observed, "mode": mode, "data": text, "encoding": encoding}


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


class Capture:
    """Writes what one variant was asked and answered, in batches, in the role of the variant's model."""

    def __init__(
        self, settings: Mapping[str, Any], endpoint: Record, variant: str, role: str, log: Log
    ) -> None:
        self._settings, self._role, self._source, self._log = settings, role, endpoint.arn, log
        self._bucket, prefix = storage.split(settings["DestinationS3Uri"])
        self._folder = "/".join(part for part in (prefix.strip("/"), endpoint.name, variant) if part)
        self._waiting: list[Exchange] = []
        self._bytes = self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, exchange: Exchange) -> None:
        """Take one exchange, if the sample has it; encoding and writing are left to the background."""
        if random.random() * 100 >= self._settings["InitialSamplingPercentage"]:  # noqa: S311
            return
        with self._changed:
            if self._bytes + exchange.size > LIMIT_BYTES:
                self._dropped += 1
                return
            self._waiting.append(exchange)
            self._bytes += exchange.size
            self._changed.notify()

    def close(self) -> None:
        """Write what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=CLOSE_SECONDS)

    def _run(self) -> None:
        ended = False
        while not ended:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._bytes >= FULL_BYTES or self._closed, FLUSH_SECONDS)
                batch, self._waiting, self._bytes = self._waiting, [], 0
                dropped, self._dropped = self._dropped, 0
                ended = self._closed
            if dropped:
                self._log.line(f"Data capture dropped {dropped} records: too many waited to be written.")
            if batch:
                self._write(batch)

    def _write(self, batch: Sequence[Exchange]) -> None:
        body = "".join(f"{json.dumps(line(exchange, self._settings))}\n" for exchange in batch)
        moment = now()
        name = f"{moment:%Y/%m/%d/%H/%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        try:
            encryption = self._encryption()
            with access.acting(self._role, jobs.PRINCIPAL, self._source):
                if encryption:
                    via = f"s3.{REGION}.amazonaws.com"
                    access.demand("kms:GenerateDataKey", encryption["SSEKMSKeyId"], kms_viaservice=via)
                access.client("s3").put_object(
                    Bucket=self._bucket, Key=f"{self._folder}/{name}", Body=body.encode(), **encryption
                )
        except Exception as error:
            # Whatever it is, the endpoint serves on, and the next batch may fare better.
            logger.warning("data capture of %s failed: %s", self._source, error)
            self._log.line(
                f"Data capture could not write {len(batch)} records to s3://{self._bucket}/{self._folder}: {error}"
            )

    def _encryption(self) -> dict[str, str]:
        key = self._settings.get("KmsKeyId")
        if not key:
            return {}
        # Policies name keys by ARN; the configuration may give an id or an alias.
        found = access.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": found}
