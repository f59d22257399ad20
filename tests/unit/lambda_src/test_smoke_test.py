from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import ANY

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.errors import EndpointBusyError, SmokeTestError
from lambda_src.smoke_test.logic import TRIES, SmokeTest, chosen
from tests.unit.lambda_src.stubs import Stubber

EVALUATION, TEST = "s3://models/e/evaluation.json", "s3://datasets/vehicles/v/test/"
IMAGE = {"file": "a/1.png", "expected": "a", "predicted": "a", "confidence": 0.9, "confident": True}
ANSWER = {"class": "a", "confidence": 0.91, "model_version": "run"}


@pytest.fixture
def s3(stub: Any) -> Stubber:
    return stub("s3")  # type: ignore[no-any-return]


@pytest.fixture
def runtime(stub: Any) -> Stubber:
    return stub("sagemaker-runtime")  # type: ignore[no-any-return]


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def smoke(s3: Stubber, runtime: Stubber, pauses: list[float]) -> SmokeTest:
    return SmokeTest(Objects(s3.client), Endpoint("endpoint", runtime.client), pauses.append)


def evaluation(s3: Stubber, body: Any, images: list[dict[str, Any]]) -> None:
    content = json.dumps({"model_version": "run", "images": images}).encode()
    s3.add_response("get_object", {"Body": body(content)}, {"Bucket": "models", "Key": "e/evaluation.json"})


def picture(s3: Stubber, body: Any, file: str) -> None:
    s3.add_response(
        "get_object", {"Body": body(file.encode())}, {"Bucket": "datasets", "Key": f"vehicles/v/test/{file}"}
    )


def answer(runtime: Stubber, body: Any, **changes: Any) -> None:
    runtime.add_response(
        "invoke_endpoint",
        {"Body": body(json.dumps({**ANSWER, **changes}).encode())},
        {"EndpointName": "endpoint", "Body": ANY, "ContentType": ANY, "Accept": ANY, "InferenceId": ANY},
    )


def test_checked_are_counted_when_all_agree(
    smoke: SmokeTest, s3: Stubber, runtime: Stubber, body: Any
) -> None:
    files = ["a/1.png", "a/2.png"]
    evaluation(s3, body, [{**IMAGE, "file": file} for file in files])
    for file in files:
        picture(s3, body, file)
        answer(runtime, body)
    assert smoke.check(EVALUATION, TEST) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class": "b"}, r"says b \(0\.91\) of a/1\.png, where the evaluated model said a \(0\.9\)"),
        ({"confidence": 0.93}, "0.93"),
        ({"confidence": None}, "None"),
        ({"model_version": "old"}, "serves the model old, and run was evaluated"),
    ],
)
def test_difference_is_told_when_the_endpoint_decides_otherwise(
    smoke: SmokeTest, s3: Stubber, runtime: Stubber, body: Any, changes: dict[str, Any], said: str
) -> None:
    evaluation(s3, body, [IMAGE])
    picture(s3, body, "a/1.png")
    answer(runtime, body, **changes)
    with pytest.raises(SmokeTestError, match=said):
        smoke.check(EVALUATION, TEST)


@pytest.mark.parametrize("images", [[], [{**IMAGE, "predicted": None}]])
def test_nothing_passes_when_there_is_nothing_to_compare(
    smoke: SmokeTest, s3: Stubber, body: Any, images: list[dict[str, Any]]
) -> None:
    evaluation(s3, body, images)
    with pytest.raises(SmokeTestError, match="names no images"):
        smoke.check(EVALUATION, TEST)


def test_busy_endpoint_is_asked_again_when_it_has_just_started(
    smoke: SmokeTest, s3: Stubber, runtime: Stubber, body: Any, pauses: list[float]
) -> None:
    evaluation(s3, body, [IMAGE])
    picture(s3, body, "a/1.png")
    runtime.add_client_error("invoke_endpoint", "ModelNotReadyException")
    answer(runtime, body)
    assert smoke.check(EVALUATION, TEST) == 1
    assert len(pauses) == 1


def test_busy_endpoint_fails_when_it_stays_busy(
    smoke: SmokeTest, s3: Stubber, runtime: Stubber, body: Any, pauses: list[float]
) -> None:
    evaluation(s3, body, [IMAGE])
    picture(s3, body, "a/1.png")
    for _ in range(TRIES):
        runtime.add_client_error("invoke_endpoint", "ThrottlingException")
    with pytest.raises(EndpointBusyError):
        smoke.check(EVALUATION, TEST)
    assert len(pauses) == TRIES - 1


def test_few_of_each_class_are_chosen_confident_first_when_there_are_many() -> None:
    images = [
        {**IMAGE, "file": f"{name}/{at}", "expected": name, "confident": at > 1}
        for name in ("b", "a")
        for at in range(5)
    ]
    assert [image["file"] for image in chosen(images, 2)] == ["a/2", "a/3", "b/2", "b/3"]
