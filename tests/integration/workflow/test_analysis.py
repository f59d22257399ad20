"""The analysis of real decisions: clean traffic is quiet, dark traffic rings, and nothing is counted twice."""

from __future__ import annotations

import datetime
import json

import pytest

from tests.integration.workflow.conftest import PREFIX, Deployment, until
from tests.integration.workflow.traffic import analysed, at_dusk, classify, drawings, ended, ringing, state

pytestmark = pytest.mark.timeout(600)
WINDOW = 40
"""As the overlay of the shared deployment has it."""


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


def review(deployment: Deployment, decisions: list[dict[str, str]]) -> None:
    """Leave what is kept of answers; test_review.py has people give them."""
    s3, bucket = deployment.client("s3"), deployment.outputs["ResultsBucketName"]
    for each in decisions:
        kept = {
            **{name: each[name] for name in ("decision_id", "class", "model_version")},
            **{"predicted": each["class"], "outcome": "review", "sampled": False, "by": "kim"},
            **{"confidence": 0.5, "at": datetime.datetime.now(datetime.UTC).isoformat()},
        }
        s3.put_object(
            Bucket=bucket, Key=f"reviews/vehicles/{each['decision_id']}.json", Body=json.dumps(kept).encode()
        )


def test_dark_traffic_rings_and_calls_for_a_training_once(deployment: Deployment) -> None:
    # The start alone is mocked: what it would start takes minutes, and tests/integration/loop has it for real.
    machine = deployment.outputs["AnalysisStateMachineArn"].rpartition(":")[2]
    mocks = {
        "StateMachines": {machine: {"TestCases": {"no-start": {"StartRetraining": "started"}}}},
        "MockedResponses": {
            "started": {"0-9": {"Return": {"ExecutionArn": "arn", "StartDate": "2026-01-01T00:00:00Z"}}}
        },
    }
    deployment.mocks.write_text(json.dumps(mocks))
    pictures = [at_dusk(each) for each in drawings(102, 2 * WINDOW)]
    classify(deployment, "dark", pictures[:WINDOW])
    said = analysed(deployment, "no-start")
    (window,) = said["windows"]
    assert (window["verdict"], said["retraining"]) == ("drift", "not called for")
    assert "input" in window["kinds"]
    assert {"InputDrift", "any"} <= ringing(deployment)

    seen = classify(deployment, "darker", pictures[WINDOW:])
    said = analysed(deployment, "no-start")
    assert said["retraining"] == "not called for"
    assert said["reason"].endswith("0 pictures were reviewed since the last training: 10 are needed.")
    review(deployment, seen[:10])
    said = analysed(deployment, "no-start")
    assert said["retraining"] == "started", said
    assert "drift of" in said["reason"]
    item = deployment.client("dynamodb").get_item(
        TableName=deployment.outputs["StateTableName"], Key={"id": {"S": "retraining"}}
    )["Item"]
    assert item["reason"]["S"] == said["reason"]
    taken = datetime.datetime.fromisoformat(item["at"]["S"])
    assert abs((datetime.datetime.now(datetime.UTC) - taken).total_seconds()) < 300
    # Nothing came of that training, as if it had been killed: the drift asks still, and waits for the cool-down.
    assert analysed(deployment, "no-start")["retraining"] == "too soon after the last one"
    deployment.client("dynamodb").update_item(
        TableName=deployment.outputs["StateTableName"],
        Key={"id": {"S": "retraining"}},
        UpdateExpression="SET #at = :long_ago",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00.000Z"}},
    )
    said = analysed(deployment, "no-start")
    assert (said["retraining"], "drift of" in said["reason"]) == ("started", True)


def test_the_schedule_starts_an_analysis(deployment: Deployment) -> None:
    events, states = deployment.client("events"), deployment.client("stepfunctions")
    machine = deployment.outputs["AnalysisStateMachineArn"]
    (rule,) = events.list_rule_names_by_target(TargetArn=machine)["RuleNames"]
    schedule = events.describe_rule(Name=rule)["ScheduleExpression"]

    def executions() -> set[str]:
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        return {str(each["executionArn"]) for each in listed}

    before = executions()
    # Nobody waits for an hour.
    events.put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
    started = until(lambda: executions() - before or None, 90, "the start by the schedule")
    events.put_rule(Name=rule, ScheduleExpression=schedule)
    assert ended(deployment, started.pop())["status"] == "analysed"
