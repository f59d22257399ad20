"""The analysis of real decisions: clean traffic is quiet, dark traffic rings, and nothing is counted twice."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from tests.integration.workflow.conftest import PREFIX, Deployment, until
from training.drawings import draw_candidates

pytestmark = pytest.mark.timeout(600)
WINDOW = 40
"""As the overlay of the shared deployment has it."""


def drawings(seed: int, number: int) -> list[bytes]:
    """Draw bicycles and motorcycles that the model was not trained on."""
    _, found = draw_candidates(["bicycle", "motorcycle"], number // 2, seed)
    return [each.data for each in found]


def darkened(content: bytes) -> bytes:
    """Return a picture as a camera at dusk would have it."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        ImageEnhance.Brightness(picture.convert("RGB")).enhance(0.3).save(buffer, "PNG")
    return buffer.getvalue()


def classify(deployment: Deployment, name: str, pictures: Sequence[bytes]) -> None:
    """Send pictures, and wait until every decision is in the prediction log."""
    sent = {f"{name}/{number}.png": content for number, content in enumerate(pictures)}
    versions = {key: deployment.upload(key, content) for key, content in sent.items()}
    wanted = {deployment.outcome(key, version)["decision_id"] for key, version in versions.items()}
    until(lambda: True if wanted <= deployment.logged() else None, 120, "the prediction log")


def analysed(deployment: Deployment, case: str = "") -> dict[str, Any]:
    """Run the analysis to its end, in a test case of it if one is named, and return what it says."""
    client = deployment.client("stepfunctions")
    machine = deployment.outputs["AnalysisStateMachineArn"] + (f"#{case}" if case else "")
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_execution(executionArn=arn)
        return None if found["status"] == "RUNNING" else found

    found = until(ended, 180, "the end of the analysis")
    assert found["status"] == "SUCCEEDED", (found.get("error"), found.get("cause"))
    output: dict[str, Any] = json.loads(found["output"])
    return output


def ringing(deployment: Deployment) -> set[str]:
    """Return the metrics whose alarms ring, and `any` where the composite alarm does."""
    kinds = ["MetricAlarm", "CompositeAlarm"]
    found = deployment.client("cloudwatch").describe_alarms(AlarmTypes=kinds, StateValue="ALARM")
    own = {each["MetricName"] for each in found["MetricAlarms"] if each["Namespace"] == "Scones/Monitoring"}
    return own | {"any" for each in found["CompositeAlarms"] if "monitoring" in each["AlarmName"]}


def state(deployment: Deployment) -> dict[str, Any]:
    """Return what the last analysis remembers."""
    item = deployment.client("dynamodb").get_item(
        TableName=deployment.outputs["StateTableName"], Key={"id": {"S": "analysis"}}
    )["Item"]
    bucket, _, key = item["state_uri"]["S"].removeprefix("s3://").partition("/")
    body = deployment.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def test_before_the_first_image_there_is_nothing_to_judge(deployment: Deployment) -> None:
    said = analysed(deployment)
    assert (said["status"], said["retraining"], said["windows"]) == ("analysed", "not called for", [])


def test_the_baseline_is_registered_with_the_model(deployment: Deployment) -> None:
    sagemaker = deployment.client("sagemaker")
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName=PREFIX)["ModelPackageSummaryList"]
    found = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    uri = found["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"]["S3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    baseline = json.loads(deployment.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert len(baseline["inputs"]["brightness"]) > len(baseline["embedding"]) > 0


def test_clean_traffic_is_quiet_and_a_record_counts_once(deployment: Deployment) -> None:
    classify(deployment, "clean", drawings(101, WINDOW))
    (window,) = analysed(deployment)["windows"]
    assert (window["verdict"], window["images"]) == ("clean", WINDOW)
    assert ringing(deployment) == set()
    again = analysed(deployment)
    assert again["windows"] == []
    assert sum(each["images"] for each in state(deployment)["history"]) == WINDOW


def test_dark_traffic_rings_and_calls_for_a_training_once(deployment: Deployment) -> None:
    # The start alone is mocked: what it would start takes minutes, and test_loop.py has it for real.
    machine = deployment.outputs["AnalysisStateMachineArn"].rpartition(":")[2]
    mocks = {
        "StateMachines": {machine: {"TestCases": {"no-start": {"StartRetraining": "started"}}}},
        "MockedResponses": {
            "started": {"0-9": {"Return": {"ExecutionArn": "arn", "StartDate": "2026-01-01T00:00:00Z"}}}
        },
    }
    deployment.mocks.write_text(json.dumps(mocks))
    pictures = [darkened(each) for each in drawings(102, 2 * WINDOW)]
    classify(deployment, "dark", pictures[:WINDOW])
    said = analysed(deployment, "no-start")
    (window,) = said["windows"]
    assert (window["verdict"], said["retraining"]) == ("drift", "not called for")
    assert "input" in window["kinds"]
    assert {"InputDrift", "any"} <= ringing(deployment)

    classify(deployment, "darker", pictures[WINDOW:])
    said = analysed(deployment, "no-start")
    assert said["retraining"] == "started", said
    assert "drift of" in said["reason"]
    item = deployment.client("dynamodb").get_item(
        TableName=deployment.outputs["StateTableName"], Key={"id": {"S": "retraining"}}
    )["Item"]
    assert item["reason"]["S"] == said["reason"]
    taken = datetime.datetime.fromisoformat(item["at"]["S"])
    assert abs((datetime.datetime.now(datetime.UTC) - taken).total_seconds()) < 300
    # What was seen before the training has had its answer.
    assert analysed(deployment, "no-start")["retraining"] == "not called for"
