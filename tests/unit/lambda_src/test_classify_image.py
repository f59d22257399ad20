from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.adapters.payload import MAX_BYTES, archive, fits
from lambda_src.classify_image.logic import Classifier, decision_id, in_sample
from lambda_src.errors import (
    EndpointAnswerError,
    EndpointBusyError,
    EndpointUnavailableError,
    InvalidEventError,
    ObjectMissingError,
)
from serving.requests import unpack
from tests.unit.lambda_src.stubs import Stubber

KEY = "vehicles/a b+c.png"
IMAGE = {"bucket": "inbound", "key": KEY, "version_id": "v1", "size": 5, "etag": "e"}
EVENT = {"images": [IMAGE]}
ANSWER = {
    "class": "bicycle",
    "confidence": 0.97,
    "probabilities": {"bicycle": 0.97, "motorcycle": 0.03},
    "confident": True,
    "threshold": 0.8,
    "model_version": "0123456789ab",
    "image": {"width": 32},
    "embedding": [0.0] * 8,
}
IDENTIFIER = decision_id("inbound", KEY, "v1")


@pytest.fixture
def s3(stub: Any) -> Stubber:
    return stub("s3")  # type: ignore[no-any-return]


@pytest.fixture
def runtime(stub: Any) -> Stubber:
    return stub("sagemaker-runtime")  # type: ignore[no-any-return]


@pytest.fixture
def classifier(s3: Stubber, runtime: Stubber) -> Classifier:
    ticks = iter((10.0, 10.0421))
    return Classifier(
        Objects(s3.client),
        Endpoint("endpoint", runtime.client),
        {"bicycle": "near", "motorcycle": "far"},
        max_bytes=8,
        sample_rate=0.0,
        clock=lambda: next(ticks),
    )


def holds(s3: Stubber, body: Any, content: bytes = b"bytes") -> None:
    s3.add_response(
        "get_object", {"Body": body(content)}, {"Bucket": "inbound", "Key": KEY, "VersionId": "v1"}
    )


def answers(runtime: Stubber, body: Any, answer: object) -> None:
    runtime.add_response(
        "invoke_endpoint",
        {"Body": body(json.dumps(answer).encode())},
        {
            "EndpointName": "endpoint",
            "Body": b"bytes",
            "ContentType": "application/octet-stream",
            "Accept": "application/json",
            "InferenceId": IDENTIFIER,
        },
    )


def refused(found: list[dict[str, Any]], error: str = "InvalidImageError") -> str:
    """Return why the one image has no answer."""
    ((answer, failure),) = [(each["answer"], each["failure"]) for each in found]
    assert "class" not in answer
    assert failure["error"] == error
    cause: str = failure["cause"]
    return cause


def test_decision_has_route_and_identity_when_the_endpoint_answers(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any
) -> None:
    holds(s3, body)
    answers(runtime, body, ANSWER)
    assert classifier.classify(EVENT) == [
        {
            "image": {"bucket": "inbound", "key": KEY, "version_id": "v1"},
            "answer": {
                **ANSWER,
                "decision_id": IDENTIFIER,
                "inference_id": IDENTIFIER,
                "route": "near",
                "sampled": False,
                "milliseconds": 42,
            },
            "failure": {},
        }
    ]


@pytest.mark.parametrize(("confident", "rate", "sampled"), [(True, 1.0, True), (False, 1.0, False)])
def test_sure_answers_alone_are_sampled_when_the_rate_takes_all(
    classifier: Classifier,
    s3: Stubber,
    runtime: Stubber,
    body: Any,
    confident: bool,
    rate: float,
    sampled: bool,
) -> None:
    holds(s3, body)
    answers(runtime, body, {**ANSWER, "confident": confident})
    (found,) = replace(classifier, sample_rate=rate).classify(EVENT)
    assert found["answer"]["sampled"] is sampled


@pytest.mark.parametrize(
    ("rate", "low", "high"), [(0.0, 0, 0), (0.02, 150, 250), (0.5, 4800, 5200), (1.0, 10_000, 10_000)]
)
def test_the_sample_is_as_large_as_its_rate(rate: float, low: int, high: int) -> None:
    names = [decision_id("inbound", f"vehicles/{number}.png", "v1") for number in range(10_000)]
    assert low <= sum(in_sample(name, rate) for name in names) <= high
    assert in_sample("f" * 32, 1.0)
    assert [in_sample(name, rate) for name in names] == [in_sample(name, rate) for name in names]


def test_identity_is_fixed_when_an_object_version_is_named() -> None:
    # The state machine computes the same in JSONata, for images that never get this far.
    assert decision_id("b", "k", "v") == "43c8881cbc68e8d8a898b3f59c3234a4"


@pytest.mark.parametrize(("size", "said"), [(0, "is empty"), (9, "larger than the limit of 8 bytes")])
def test_nothing_is_downloaded_when_the_size_is_out_of_bounds(
    classifier: Classifier, size: int, said: str
) -> None:
    assert said in refused(classifier.classify({"images": [{**IMAGE, "size": size}]}))


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"x" * 20, "larger than the limit")])
def test_image_is_invalid_when_the_event_told_another_size(
    classifier: Classifier, s3: Stubber, body: Any, content: bytes, said: str
) -> None:
    holds(s3, body, content)
    assert said in refused(classifier.classify(EVENT))


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_object_is_missing_when_the_version_is_gone(classifier: Classifier, s3: Stubber, code: str) -> None:
    s3.add_client_error("get_object", code, http_status_code=404)
    said = refused(classifier.classify(EVENT), "ObjectMissingError")
    assert said.startswith("There is no object s3://inbound/")
    assert "in version v1" in said


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, None) for status in (400, 413, 415)),
        *((status, EndpointBusyError) for status in (429, 503, 504)),
        *((status, EndpointUnavailableError) for status in (404, 500)),
    ],
)
def test_error_tells_image_from_endpoint_when_the_container_refuses(
    classifier: Classifier,
    s3: Stubber,
    runtime: Stubber,
    body: Any,
    status: int,
    expected: type[Exception] | None,
) -> None:
    holds(s3, body)
    said = json.dumps({"error": "SomeError", "message": "The file is truncated."})
    runtime.add_client_error(
        "invoke_endpoint",
        "ModelError",
        "Received client error",
        modeled_fields={"OriginalStatusCode": status, "OriginalMessage": said, "Message": "m"},
    )
    if expected is None:
        assert refused(classifier.classify(EVENT)) == "The file is truncated."
    else:
        with pytest.raises(expected, match=r"The file is truncated\.$"):
            classifier.classify(EVENT)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", EndpointBusyError),
        ("ModelNotReadyException", EndpointBusyError),
        ("ValidationError", EndpointUnavailableError),
    ],
)
def test_error_is_the_endpoints_when_sagemaker_refuses(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any, code: str, expected: type[Exception]
) -> None:
    holds(s3, body)
    runtime.add_client_error("invoke_endpoint", code, "Endpoint endpoint not found.")
    with pytest.raises(expected, match="endpoint"):
        classifier.classify(EVENT)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({**ANSWER, "class": "tram"}, "'tram', which has no route"),
        ({**ANSWER, "confidence": "high"}, "lacks a usable confidence"),
        ({**ANSWER, "model_version": None}, "lacks a usable model_version"),
        ({name: ANSWER[name] for name in ("class", "confidence", "probabilities")}, "confident, threshold"),
    ],
)
def test_answer_is_refused_when_its_shape_is_wrong(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any, answer: object, said: str
) -> None:
    holds(s3, body)
    answers(runtime, body, answer)
    assert said in refused(classifier.classify(EVENT), "EndpointAnswerError")


def test_no_answer_is_taken_that_is_no_object(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any
) -> None:
    holds(s3, body)
    answers(runtime, body, [])
    with pytest.raises(EndpointAnswerError, match="answered a list"):
        classifier.classify(EVENT)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"bucket": "inbound"}, "bucket, key, version_id and size"),
        ({"images": [IMAGE, {"bucket": "inbound"}]}, "bucket, key, version_id and size"),
        ({"images": []}, "at least one"),
    ],
)
def test_event_is_refused_when_it_points_at_nothing(
    classifier: Classifier, event: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidEventError, match=said):
        classifier.classify(event)


@dataclass(frozen=True)
class Held(Objects):
    """Objects by key, read from many threads at once, which a stub's one order of calls is not for."""

    content: Mapping[str, bytes] = field(default_factory=dict)

    def read(
        self, bucket: str, key: str, version_id: str | None = None, *, limit: int | None = None
    ) -> bytes:
        if key == "forbidden":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "GetObject")
        if key not in self.content:
            raise ObjectMissingError(f"There is no object s3://{bucket}/{key}.")
        return self.content[key]


def several(**content: bytes) -> tuple[Objects, list[str], dict[str, Any]]:
    """Return a place with these objects, the ids of decisions on them, and an event that points at them."""
    images = [{"bucket": "inbound", "key": key, "version_id": "v1", "size": 5} for key in content]
    return Held(content=content), [decision_id("inbound", key, "v1") for key in content], {"images": images}


class Kept:
    """Equals anything, and keeps it."""

    value: Any = None

    def __eq__(self, other: object) -> bool:
        self.value = other
        return True

    __hash__ = None  # type: ignore[assignment]


def test_many_images_are_asked_about_in_one_request_and_a_bad_one_fails_alone(
    classifier: Classifier, runtime: Stubber, body: Any
) -> None:
    objects, (good, bad, other), event = several(good=b"bytes", bad=b"text", other=b"more")
    event["images"] += [{**IMAGE, "key": "gone"}, {**IMAGE, "key": "good", "size": 0}]
    answer = {
        "model_version": "0123456789ab",
        "predictions": [
            {"name": good, **ANSWER},
            {"name": bad, "error": "UnreadableImageError", "message": "It is no image."},
            {"name": other, **ANSWER, "class": "motorcycle"},
        ],
    }
    sent, request_id = Kept(), Kept()
    runtime.add_response(
        "invoke_endpoint",
        {"Body": body(json.dumps(answer).encode())},
        {
            "EndpointName": "endpoint",
            "Body": sent,
            "ContentType": "application/x-tar",
            "Accept": "application/json",
            "InferenceId": request_id,
        },
    )
    found = replace(classifier, objects=objects).classify(event)
    assert [each["image"]["key"] for each in found] == ["good", "bad", "other", "gone", "good"]
    assert [each["answer"].get("route") for each in found] == ["near", None, "far", None, None]
    assert [each["failure"].get("error") for each in found] == [
        None,
        "InvalidImageError",
        None,
        "ObjectMissingError",
        "InvalidImageError",
    ]
    assert found[1]["failure"]["cause"] == "It is no image."
    assert [found[at]["answer"]["decision_id"] for at in (0, 2)] == [good, other]
    assert {found[at]["answer"]["inference_id"] for at in (0, 2)} == {request_id.value}
    assert request_id.value not in (good, bad, other)
    assert unpack(sent.value) == [(good, b"bytes"), (bad, b"text"), (other, b"more")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "without predictions"),
        ({"predictions": ["text"]}, "without predictions"),
        ({"predictions": []}, "other images than it was asked"),
        (
            {"predictions": [{"name": "b", **ANSWER}, {"name": "a", **ANSWER}]},
            "other images than it was asked",
        ),
    ],
)
def test_answers_to_many_are_refused_when_they_are_not_theirs(
    classifier: Classifier, runtime: Stubber, body: Any, answer: object, said: str
) -> None:
    objects, _, event = several(a=b"a", b=b"b")
    runtime.add_response("invoke_endpoint", {"Body": body(json.dumps(answer).encode())})
    with pytest.raises(EndpointAnswerError, match=said):
        replace(classifier, objects=objects).classify(event)


def test_no_image_is_blamed_when_the_request_of_many_is_refused(
    classifier: Classifier, runtime: Stubber
) -> None:
    objects, _, event = several(a=b"a", b=b"b")
    fields = {"OriginalStatusCode": 413, "OriginalMessage": '{"message": "Send less."}', "Message": "m"}
    runtime.add_client_error("invoke_endpoint", "ModelError", "refused", modeled_fields=fields)
    with pytest.raises(EndpointAnswerError, match=r"refuses 2 images in one request: Send less\."):
        replace(classifier, objects=objects).classify(event)


@pytest.mark.parametrize(
    "sizes",
    [
        [1] * 10,
        [600_000] * 10,
        [629_000] * 10,
        [628_736] * 10,
        [MAX_BYTES - 20_000, 1],
        [MAX_BYTES - 10_240, 512],
    ],
)
def test_what_fits_is_what_the_archive_has_room_for(sizes: list[int]) -> None:
    images = [(f"{number:032x}", bytes(size)) for number, size in enumerate(sizes)]
    assert fits(sizes) is (len(archive(images)) <= MAX_BYTES)


def test_an_image_that_cannot_be_read_or_has_no_usable_answer_fails_alone(
    classifier: Classifier, runtime: Stubber, body: Any
) -> None:
    objects, (first, other, last), event = several(first=b"a", other=b"b", last=b"c")
    event["images"].append({**IMAGE, "key": "forbidden"})
    predictions = [
        {"name": first, **ANSWER},
        {"name": other, **ANSWER, "class": "tram"},
        {"name": last, **ANSWER, "confidence": "high"},
    ]
    runtime.add_response("invoke_endpoint", {"Body": body(json.dumps({"predictions": predictions}).encode())})
    found = replace(classifier, objects=objects).classify(event)
    assert [each["failure"].get("error") for each in found] == [
        None,
        "EndpointAnswerError",
        "EndpointAnswerError",
        "ClientError",
    ]
    assert found[0]["answer"]["class"] == "bicycle"


def test_the_endpoint_is_not_asked_when_no_image_can_be_read(classifier: Classifier) -> None:
    event = {"images": [{**IMAGE, "key": "forbidden"}, {**IMAGE, "key": "gone"}]}
    found = replace(classifier, objects=Held()).classify(event)
    assert [each["failure"]["error"] for each in found] == ["ClientError", "ObjectMissingError"]
