from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lambda_src.adapters.training import Training
from lambda_src.errors import TrainingFailedError, TrainingRejectedError
from lambda_src.train_on_deploy import logic
from tests.unit.lambda_src.stubs import Stubber

PREFIX = "scones-dev-vehicles"
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:train"
PROPERTIES = {"TrainingFingerprint": "t1", "ServingFingerprint": "s1", "AtDeploy": "true"}
EVENT = {"RequestType": "Create", "RequestId": "request", "ResourceProperties": PROPERTIES}
NAME = logic.execution_name("request", PROPERTIES)
EXECUTION = f"arn:aws:states:eu-central-1:123456789012:execution:train:{NAME}"
STARTED = {"PhysicalResourceId": PREFIX, "Data": {"ExecutionArn": EXECUTION}}
NOTHING = {"PhysicalResourceId": PREFIX, "Data": {"ExecutionArn": ""}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def states(stub: Any) -> Stubber:
    return stub("stepfunctions")  # type: ignore[no-any-return]


@pytest.fixture
def dynamodb(stub: Any) -> Stubber:
    return stub("dynamodb")  # type: ignore[no-any-return]


@pytest.fixture
def training(states: Stubber, dynamodb: Stubber) -> Training:
    return Training(MACHINE, "state", states.client, dynamodb.client)


def champion(dynamodb: Stubber, **attributes: str) -> None:
    item = {"accuracy": {"N": "0.96"}, **{name: {"S": value} for name, value in attributes.items()}}
    dynamodb.add_response(
        "get_item",
        {"Item": {"id": {"S": "champion"}, **item}} if attributes else {},
        {"TableName": "state", "Key": {"id": {"S": "champion"}}, "ConsistentRead": True},
    )


def start(states: Stubber, step: str) -> None:
    states.add_response(
        "start_execution",
        {"executionArn": EXECUTION, "startDate": NOW},
        {"stateMachineArn": MACHINE, "name": NAME, "input": json.dumps({"start": step, "reason": "deploy"})},
    )


def describe(states: Stubber, status: str, **more: str) -> None:
    states.add_response(
        "describe_execution",
        {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": status, "startDate": NOW, **more},
        {"executionArn": EXECUTION},
    )


@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize(
    ("attributes", "step"),
    [
        ({}, "stage"),
        ({"training_fingerprint": "t0", "serving_fingerprint": "s1"}, "stage"),
        ({"training_fingerprint": "t1", "serving_fingerprint": "s0"}, "package"),
    ],
)
def test_workflow_starts_where_it_must_when_the_champion_differs(
    training: Training, states: Stubber, dynamodb: Stubber, kind: str, attributes: dict[str, str], step: str
) -> None:
    champion(dynamodb, **attributes)
    start(states, step)
    assert logic.on_event({**EVENT, "RequestType": kind}, PREFIX, training) == STARTED


def test_nothing_starts_when_the_champion_is_the_same(training: Training, dynamodb: Stubber) -> None:
    champion(dynamodb, training_fingerprint="t1", serving_fingerprint="s1")
    assert logic.on_event(EVENT, PREFIX, training) == NOTHING


def test_nothing_starts_when_training_at_deploy_is_off(training: Training, dynamodb: Stubber) -> None:
    champion(dynamodb)
    event = {**EVENT, "ResourceProperties": {**PROPERTIES, "AtDeploy": "false"}}
    assert logic.on_event(event, PREFIX, training) == NOTHING


def test_nothing_is_asked_when_the_resource_is_deleted(training: Training) -> None:
    assert logic.on_event({**EVENT, "RequestType": "Delete"}, PREFIX, training) == NOTHING


def test_same_execution_is_named_when_the_request_comes_twice(
    training: Training, states: Stubber, dynamodb: Stubber
) -> None:
    champion(dynamodb)
    states.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert logic.on_event(EVENT, PREFIX, training) == STARTED


def test_name_is_another_when_request_or_fingerprint_is() -> None:
    others = [
        logic.execution_name("other", PROPERTIES),
        logic.execution_name("request", {**PROPERTIES, "TrainingFingerprint": "t2"}),
        logic.execution_name("request", {**PROPERTIES, "ServingFingerprint": "s2"}),
    ]
    assert len({NAME, *others}) == 4
    assert len(NAME) <= 80


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_start_that_fails_is_reported_later_when_it_may_have_started(
    training: Training, states: Stubber, dynamodb: Stubber, code: str
) -> None:
    champion(dynamodb)
    states.add_client_error("start_execution", code, "No.")
    answer = logic.on_event(EVENT, PREFIX, training)
    assert answer["Data"]["ExecutionArn"] == EXECUTION
    states.add_client_error("describe_execution", "ExecutionDoesNotExist")
    champion(dynamodb)
    with pytest.raises(TrainingFailedError, match=f"could not be started: .*{code}"):
        logic.is_complete({**EVENT, **answer}, training)


def test_deployment_is_complete_when_nothing_was_started(training: Training) -> None:
    assert logic.is_complete({**EVENT, **NOTHING}, training) == {"IsComplete": True}


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_deployment_waits_when_the_workflow_is_under_way(
    training: Training, states: Stubber, dynamodb: Stubber, status: str
) -> None:
    describe(states, status)
    champion(dynamodb)
    assert logic.is_complete({**EVENT, **STARTED}, training) == {"IsComplete": False}


@pytest.mark.parametrize("code", ["ThrottlingException", "ExecutionDoesNotExist"])
def test_deployment_waits_when_the_execution_cannot_be_described_yet(
    training: Training, states: Stubber, dynamodb: Stubber, code: str
) -> None:
    states.add_client_error("describe_execution", code)
    if code == "ExecutionDoesNotExist":
        champion(dynamodb)
    assert logic.is_complete({**EVENT, **STARTED}, training) == {"IsComplete": False}


@pytest.mark.parametrize(
    ("status", "attributes"),
    [("promoted", {"run": "r"}), ("unchanged", {"run": "r"}), ("rejected", {"run": "older"})],
)
def test_deployment_is_complete_when_a_champion_serves(
    training: Training, states: Stubber, dynamodb: Stubber, status: str, attributes: dict[str, str]
) -> None:
    describe(states, "SUCCEEDED", output=json.dumps({"status": status, "reason": "because."}))
    champion(dynamodb, **attributes)
    assert logic.is_complete({**EVENT, **STARTED}, training) == {"IsComplete": True}


def test_deployment_fails_with_the_report_when_the_first_model_is_rejected(
    training: Training, states: Stubber, dynamodb: Stubber
) -> None:
    output = {"status": "rejected", "reason": "Accuracy 0.7 is below 0.9.", "evaluation_uri": "s3://m/e.json"}
    describe(states, "SUCCEEDED", output=json.dumps(output))
    champion(dynamodb)
    said = r"^The model was rejected: Accuracy 0\.7 is below 0\.9\. The report is s3://m/e\.json\.$"
    with pytest.raises(TrainingRejectedError, match=said):
        logic.is_complete({**EVENT, **STARTED}, training)


def test_deployment_fails_when_the_output_is_unknown(
    training: Training, states: Stubber, dynamodb: Stubber
) -> None:
    describe(states, "SUCCEEDED", output='{"status": "odd"}')
    champion(dynamodb)
    with pytest.raises(TrainingFailedError, match="unknown status 'odd'"):
        logic.is_complete({**EVENT, **STARTED}, training)


JOB = {"TrainingJobName": "p-train-r-0", "FailureReason": "AlgorithmError: The folder has\n one class only."}
STAGING = {
    "ProcessingJobName": "p-stage",
    "FailureReason": "AlgorithmError",
    "ExitMessage": "The checksum is wrong.",
}
FUNCTION = {"errorType": "SmokeTestError", "errorMessage": "The endpoint says b.", "stackTrace": ["x"]}


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (
            {"status": "FAILED", "error": "States.TaskFailed", "cause": json.dumps(JOB)},
            "Training failed in p-train-r-0: AlgorithmError: The folder has one class only.",
        ),
        (
            {"status": "FAILED", "error": "States.TaskFailed", "cause": json.dumps(STAGING)},
            "Training failed in p-stage: The checksum is wrong.",
        ),
        (
            {"status": "FAILED", "error": "SmokeTestError", "cause": json.dumps(FUNCTION)},
            "Training failed: SmokeTestError: The endpoint says b.",
        ),
        (
            {"status": "FAILED", "error": "LockedError", "cause": "Another run is under way: arn"},
            "Training failed: LockedError: Another run is under way: arn",
        ),
        (
            {"status": "TIMED_OUT", "executionArn": "arn:x"},
            "Training failed: the execution arn:x timed out",
        ),
        ({"status": "ABORTED", "executionArn": "arn:x"}, "Training failed: the execution arn:x aborted"),
        ({"status": "FAILED", "error": "E", "cause": "[1]"}, "Training failed: E: [1]"),
        (
            {
                "status": "FAILED",
                "error": "E",
                "cause": '{"TrainingJobName": "p-train", "FailureReason": ""}',
            },
            'Training failed in p-train: E: {"TrainingJobName": "p-train", "FailureReason": ""}',
        ),
    ],
)
def test_jobs_own_reason_is_told_when_the_workflow_fails(described: dict[str, str], said: str) -> None:
    assert logic.failure(described) == said


def test_deployment_fails_in_few_words_when_the_reason_is_long(
    training: Training, states: Stubber, dynamodb: Stubber
) -> None:
    describe(states, "FAILED", error="States.TaskFailed", cause=json.dumps({"FailureReason": "x" * 5000}))
    champion(dynamodb)
    with pytest.raises(TrainingFailedError) as raised:
        logic.is_complete({**EVENT, **STARTED}, training)
    assert len(str(raised.value)) < 1000
