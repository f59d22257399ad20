"""What is captured has the service's shape, and reaches S3 when a batch is full, old or the last one."""

from __future__ import annotations

import contextlib
import datetime
import json
import queue
import random
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from localcloud import access
from localcloud.containers.container import Answer
from localcloud.sagemaker import capture
from localcloud.sagemaker.capture import Capture, Exchange
from localcloud.sagemaker.store import KINDS, Record

SECONDS = 10.0
MOMENT = datetime.datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=datetime.UTC)
SETTINGS: dict[str, Any] = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/some/where/",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"], "CsvContentTypes": ["text/csv"]},
}


def exchange(
    body: bytes = b"1,2", kind: str = "text/csv", answered: str = "application/json", inference: str = ""
) -> Exchange:
    headers = {"content-type": kind, "x-amzn-sagemaker-inference-id": inference}
    return Exchange(
        MOMENT, body, headers, Answer(200, {"Content-Type": answered}, b'{"label": "b\xc3\xa4r"}')
    )


def test_a_line_has_the_services_shape_when_input_and_output_are_captured() -> None:
    given = exchange(inference="picture-1")
    written = capture.line(given, SETTINGS)
    event = written["eventMetadata"].pop("eventId")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event)
    assert written == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "1,2",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"label": "bär"}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {"inferenceId": "picture-1", "inferenceTime": "2026-01-31T12:00:00Z"},
        "eventVersion": "0",
    }
    assert "inferenceId" not in capture.line(exchange(), SETTINGS)["eventMetadata"]


@pytest.mark.parametrize(
    ("modes", "sides"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["Input", "Output"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_a_line_has_only_the_sides_that_are_asked_for(modes: list[str], sides: set[str]) -> None:
    options = [{"CaptureMode": mode} for mode in modes]
    assert set(capture.line(exchange(), {**SETTINGS, "CaptureOptions": options})["captureData"]) == sides


@pytest.mark.parametrize(
    ("kind", "listed", "encoding", "data"),
    [
        ("image/png", True, "BASE64", "MSwy"),
        ("application/json", True, "JSON", "1,2"),
        ("text/csv; charset=utf-8", True, "CSV", "1,2"),
        ("application/json", False, "BASE64", "MSwy"),
    ],
)
def test_the_encoding_is_that_of_the_listed_content_type(
    kind: str, listed: bool, encoding: str, data: str
) -> None:
    settings = SETTINGS if listed else {**SETTINGS, "CaptureContentTypeHeader": {}}
    written = capture.line(exchange(kind=kind), settings)["captureData"]["endpointInput"]
    assert written == {"observedContentType": kind, "mode": "INPUT", "data": data, "encoding": encoding}


@pytest.mark.parametrize(("enabled", "status"), [(None, "Started"), (True, "Started"), (False, "Stopped")])
def test_an_endpoint_shows_its_capture_as_its_configuration_has_it(enabled: bool | None, status: str) -> None:
    switch = {} if enabled is None else {"EnableCapture": enabled}
    config = Record(KINDS["EndpointConfig"], {"DataCaptureConfig": {**SETTINGS, **switch, "KmsKeyId": "k"}})
    assert capture.summary(config) == {
        "EnableCapture": status == "Started",
        "CaptureStatus": status,
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bucket/some/where/",
        "KmsKeyId": "k",
    }
    assert capture.summary(Record(KINDS["EndpointConfig"], {})) is None


@dataclass
class FakeAWS:
    """S3 and KMS, and a log: who put what, and what was said of it."""

    puts: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    role: str = ""
    fault: Exception | None = None
    tail: deque[str] = field(default_factory=deque)
    lines: queue.Queue[str] = field(default_factory=queue.Queue)

    @contextlib.contextmanager
    def acting(self, role: str, *_: str) -> Iterator[None]:
        self.role = role
        yield
        self.role = ""

    def demand(self, action: str, resource: str, **context: str) -> None:
        self.asked.append((action, resource, context["kms_viaservice"]))

    def describe_key(self, **given: str) -> dict[str, Any]:
        assert not self.role, "a role that may only encrypt may not look keys up"
        return {"KeyMetadata": {"Arn": f"arn:{given['KeyId']}"}}

    def put_object(self, **given: Any) -> None:
        if self.fault is not None:
            raise self.fault
        self.puts.put({**given, "role": self.role})

    def line(self, text: str, *, telling: bool = True) -> None:  # as its protocol has it
        self.lines.put(text)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAWS:
    fake = FakeAWS()
    monkeypatch.setattr(access, "client", lambda _: fake)
    monkeypatch.setattr(access, "acting", fake.acting)
    monkeypatch.setattr(access, "demand", fake.demand)
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 3600.0)
    return fake


def started(aws: FakeAWS, **change: Any) -> Capture:
    arn = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"
    record = Record(KINDS["Endpoint"], {"EndpointName": "e", "EndpointArn": arn})
    return Capture({**SETTINGS, **change}, record, "Next", "the-role", aws)


def ids(put: dict[str, Any]) -> list[str]:
    return [json.loads(each)["captureData"]["endpointInput"]["data"] for each in put["Body"].splitlines()]


def test_what_waits_is_written_in_the_models_role_when_a_capture_ends(aws: FakeAWS) -> None:
    capturing = started(aws)
    for body in (b"1", b"2"):
        capturing.add(exchange(body))
    capturing.close()
    put = aws.puts.get_nowait()
    assert aws.puts.empty()
    assert (put["Bucket"], put["role"], ids(put)) == ("bucket", "the-role", ["1", "2"])
    name = r"some/where/e/Next/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl"
    assert re.fullmatch(name, put["Key"])
    assert "SSEKMSKeyId" not in put


def test_a_batch_is_written_when_it_is_old(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0.01)
    capturing = started(aws)
    capturing.add(exchange(b"1"))
    assert ids(aws.puts.get(timeout=SECONDS)) == ["1"]
    capturing.close()


def test_a_batch_is_written_when_it_is_full(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FULL_BYTES", 3 * exchange(b"1").size)
    capturing = started(aws)
    for body in (b"1", b"2", b"3"):
        capturing.add(exchange(body))
    assert ids(aws.puts.get(timeout=SECONDS)) == ["1", "2", "3"]
    capturing.close()


def test_records_are_dropped_and_the_log_says_so_when_too_many_wait(
    aws: FakeAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "LIMIT_BYTES", exchange(b"1").size)
    capturing = started(aws)
    for body in (b"1", b"2", b"3"):
        capturing.add(exchange(body))
    capturing.close()
    assert ids(aws.puts.get_nowait()) == ["1"]
    assert "dropped 2 records" in aws.lines.get_nowait()


def test_the_key_is_asked_for_by_its_arn_when_the_configuration_names_one(aws: FakeAWS) -> None:
    capturing = started(aws, KmsKeyId="alias/captures")
    capturing.add(exchange())
    capturing.close()
    assert aws.asked == [("kms:GenerateDataKey", "arn:alias/captures", "s3.us-east-1.amazonaws.com")]
    put = aws.puts.get_nowait()
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "arn:alias/captures")


def test_the_log_says_why_and_the_next_batch_is_written_when_one_is_denied(
    aws: FakeAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0.01)
    aws.fault = access.AccessDeniedError("not authorized to perform: s3:PutObject")
    capturing = started(aws)
    capturing.add(exchange(b"1"))
    assert re.search("could not write 1 records .* s3:PutObject", aws.lines.get(timeout=SECONDS))
    aws.fault = None
    capturing.add(exchange(b"2"))
    assert ids(aws.puts.get(timeout=SECONDS)) == ["2"]
    capturing.close()


def test_the_sample_is_a_share_of_the_requests(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.1, 0.29, 0.3, 0.9])
    monkeypatch.setattr(random, "random", lambda: next(drawn))
    capturing = started(aws, InitialSamplingPercentage=30)
    for body in (b"1", b"2", b"3", b"4"):
        capturing.add(exchange(body))
    capturing.close()
    assert ids(aws.puts.get_nowait()) == ["1", "2"]
