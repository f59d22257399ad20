from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.classify_image.logic import Classifier, decision_id, in_sample
from lambda_src.errors import (
    EndpointAnswerError,
    EndpointBusyError,
    EndpointUnavailableError,
    InvalidEventError,
    InvalidImageError,
    ObjectMissingError,
)
from tests.unit.lambda_src.stubs import Stubber

KEY = "vehicles/a b+c.png"
EVENT = {"bucket": "inbound", "key": KEY, "version_id": "v1", "size": 5, "etag": "e"}
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


def test_decision_has_route_and_identity_when_the_endpoint_answers(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any
) -> None:
    holds(s3, body)
    answers(runtime, body, ANSWER)
    assert classifier.classify(EVENT) == {
        **ANSWER,
        "bucket": "inbound",
        "key": KEY,
        "version_id": "v1",
        "decision_id": IDENTIFIER,
        "inference_id": IDENTIFIER,
        "route": "near",
        "sampled": False,
        "milliseconds": 42,
    }


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
    assert replace(classifier, sample_rate=rate).classify(EVENT)["sampled"] is sampled


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
    with pytest.raises(InvalidImageError, match=said):
        classifier.classify({**EVENT, "size": size})


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"x" * 20, "larger than the limit")])
def test_image_is_invalid_when_the_event_told_another_size(
    classifier: Classifier, s3: Stubber, body: Any, content: bytes, said: str
) -> None:
    holds(s3, body, content)
    with pytest.raises(InvalidImageError, match=said):
        classifier.classify(EVENT)


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_object_is_missing_when_the_version_is_gone(classifier: Classifier, s3: Stubber, code: str) -> None:
    s3.add_client_error("get_object", code, http_status_code=404)
    with pytest.raises(ObjectMissingError, match=r"There is no object s3://inbound/.* in version v1"):
        classifier.classify(EVENT)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, InvalidImageError) for status in (400, 413, 415)),
        *((status, EndpointBusyError) for status in (429, 503, 504)),
        *((status, EndpointUnavailableError) for status in (404, 500)),
    ],
)
def test_error_tells_image_from_endpoint_when_the_container_refuses(
    classifier: Classifier, s3: Stubber, runtime: Stubber, body: Any, status: int, expected: type[Exception]
) -> None:
    holds(s3, body)
    said = json.dumps({"error": "SomeError", "message": "The file is truncated."})
    runtime.add_client_error(
        "invoke_endpoint",
        "ModelError",
        "Received client error",
        modeled_fields={"OriginalStatusCode": status, "OriginalMessage": said, "Message": "m"},
    )
    with pytest.raises(expected, match=r"The file is truncated\.$") as raised:
        classifier.classify(EVENT)
    if expected is InvalidImageError:
        assert str(raised.value) == "The file is truncated."


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
        ([], "answered a list"),
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
    with pytest.raises(EndpointAnswerError, match=said):
        classifier.classify(EVENT)


def test_event_is_refused_when_it_points_at_nothing(classifier: Classifier) -> None:
    with pytest.raises(InvalidEventError, match="bucket, key, version_id and size"):
        classifier.classify({"bucket": "inbound"})
