"""What a Task calls, how long it waits and which errors it handles is held against what there is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.checks import tasks
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.optimized import FIELDS, unknown
from stacks.checks.rendering import Machine, machines
from stacks.checks.services import integration

SOUND: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
    "TimeoutSeconds": 60,
    "Retry": [{"ErrorEquals": ["S3.S3Exception"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2}],
    "Catch": [{"ErrorEquals": ["S3.NoSuchKeyException"]}, {"ErrorEquals": ["States.ALL"]}],
}


def test_a_sound_task_is_left_alone() -> None:
    assert list(tasks.of_task(SOUND)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"Resource": "arn:aws:states:::s3:getObject"}, "there is no optimized integration s3:getObject"),
        ({"Resource": "arn:aws:states:::aws-sdk:s3:fetchObject"}, "there is no operation s3:fetchObject"),
        ({"Resource": "arn:aws:states:::aws-sdk:s3:GetObject"}, "there is no operation s3:GetObject"),
        ({"Resource": "arn:aws:states:::aws-sdk:s3:getObject.sync"}, "no .sync through the SDK"),
        ({"Resource": "arn:aws:states:::dynamodb:putItem.sync"}, "dynamodb:putItem has no .sync"),
        ({"TimeoutSeconds": 0}, "TimeoutSeconds is 0"),
        ({"TimeoutSeconds": True}, "TimeoutSeconds is True"),
        ({"Catch": [{"ErrorEquals": ["S3.NoSuchkeyException"]}]}, "s3 has no error S3.NoSuchkeyException"),
        ({"Catch": [{"ErrorEquals": ["States.Al"]}]}, "s3 has no error States.Al"),
        ({"Catch": [{"ErrorEquals": ["InvalidImageError"]}]}, "s3 has no error InvalidImageError"),
        ({"Catch": [*reversed(SOUND["Catch"])]}, "must stand alone and last"),
        ({"Catch": [{"ErrorEquals": ["States.ALL", "States.Timeout"]}]}, "must stand alone and last"),
        ({"Retry": [{"ErrorEquals": []}]}, "names no error"),
        ({"Retry": [{"ErrorEquals": ["States.ALL"], "BackoffRate": 0.5}]}, "BackoffRate is 0.5"),
        ({"Retry": [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "SOME"}]}, "JitterStrategy is 'SOME'"),
        ({"Retry": [{"ErrorEquals": ["States.ALL"], "MaxDelaySeconds": 1}]}, "more than IntervalSeconds"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], said: str) -> None:
    assert any(said in each for each in tasks.of_task({**SOUND, **wrong}))


def test_a_function_can_raise_what_the_project_defines() -> None:
    called = {**SOUND, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:any", "Retry": []}
    assert list(tasks.of_task({**called, "Catch": [{"ErrorEquals": ["InvalidImageError"]}]})) == []
    assert list(tasks.of_task({**called, "Catch": [{"ErrorEquals": ["InvalidImagError"]}]})) != []


@pytest.mark.parametrize(
    ("resource", "errors", "said"),
    [
        ("dynamodb:putItem", ["DynamoDB.ConditionalCheckFailedException"], ""),
        ("dynamodb:putItem", ["DynamoDb.ConditionalCheckFailedException"], "DynamoDb.Cond"),
        ("aws-sdk:dynamodb:putItem", ["DynamoDb.ConditionalCheckFailedException"], ""),
        ("aws-sdk:dynamodb:putItem", ["DynamoDB.ConditionalCheckFailedException"], "DynamoDB.Cond"),
        ("dynamodb:putItem", ["DynamoDB.TableAlreadyExistsException"], "DynamoDB.TableAlready"),
        ("dynamodb:getItem", ["DynamoDB.ConditionalCheckFailedException"], "at getItem"),
        ("sns:publish", ["Sns.SnsException"], "Sns.SnsException"),
        ("sqs:sendMessage", ["Sqs.SqsException"], "Sqs.SqsException"),
        ("sqs:sendMessage", ["SQS.AmazonSQSException", "Sqs.SqsException"], ""),
        ("sagemaker:createTrainingJob.sync", ["SageMaker.ResourceNotFoundException"], ""),
        ("aws-sdk:sagemaker:createEndpoint", ["SageMaker.ResourceInUseException"], "ResourceInUse"),
    ],
)
def test_errors_are_those_of_the_operation_as_it_is_called(
    resource: str, errors: list[str], said: str
) -> None:
    task = {
        **SOUND,
        "Resource": f"arn:aws:states:::{resource}",
        "Retry": [],
        "Catch": [{"ErrorEquals": errors}],
    }
    found = [each for each in tasks.of_task(task) if "has no error" in each]
    assert len(found) == bool(said)
    assert all(said in each for each in found)


@pytest.mark.parametrize("error", ["ValueError", "SettingsError", "Lambda.Timedout"])
def test_a_functions_error_is_one_that_the_functions_define(error: str) -> None:
    called = {**SOUND, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:any", "Retry": []}
    assert list(tasks.of_task({**called, "Catch": [{"ErrorEquals": [error]}]})) != []
    assert list(tasks.of_task({**called, "Catch": [{"ErrorEquals": ["Sandbox.Timedout"]}]})) == []


def test_a_task_without_a_time_out_is_named_unless_it_is_not_ours() -> None:
    endless = {key: value for key, value in SOUND.items() if key != "TimeoutSeconds"}
    assert list(tasks.of_task(endless)) == ["it has no TimeoutSeconds"]
    assert list(tasks.of_task(endless, ours=False)) == []


TOKEN = "{% $states.context.Task.Token %}"
WAITING = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Arguments": {"MessageBody": TOKEN},
    "TimeoutSeconds": 60,
}


def _machine(kind: str, state: dict[str, Any], seconds: int = 60) -> Machine:
    states = {
        "Only": {
            **state,
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Catch": [{"ErrorEquals": ["States.ALL"]}],
        }
    }
    return Machine("stack", "name", kind, json.dumps({"TimeoutSeconds": seconds, "States": states}))


@pytest.mark.parametrize(
    ("state", "seconds", "said"),
    [
        (WAITING, 60, "Only: it waits for a job or a token"),
        (
            {**SOUND, "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"},
            60,
            "Only: it waits for a job or a token",
        ),
        (SOUND, 301, "TimeoutSeconds is 301"),
        (
            {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "States": {}}},
            60,
            "Only: it is a distributed Map",
        ),
    ],
)
def test_what_an_express_workflow_cannot_do_is_named(state: dict[str, Any], seconds: int, said: str) -> None:
    assert any(each.startswith(said) for each in tasks.of_machine(_machine("EXPRESS", state, seconds)))
    assert list(tasks.of_machine(_machine("STANDARD", state, seconds))) == []


def test_a_token_that_is_not_sent_is_named() -> None:
    assert list(tasks.of_task(WAITING)) == []
    silent = {**WAITING, "Arguments": {"MessageBody": "hello"}}
    assert list(tasks.of_task(silent)) == ["it waits for a token that its arguments do not send"]


def test_a_field_that_an_optimized_integration_does_not_know_is_named() -> None:
    called = integration("arn:aws:states:::sagemaker:createTrainingJob.sync")
    assert list(unknown(called, {"TrainingJobName": "a", "CheckpointConfig": {}})) == []
    assert "to take RetryStrategy" in next(unknown(called, {"TrainingJobName": "a", "RetryStrategy": {}}))
    through_sdk = integration("arn:aws:states:::aws-sdk:sagemaker:createTrainingJob")
    assert list(unknown(through_sdk, {"RetryStrategy": {}})) == []


def test_every_optimized_integration_in_use_has_its_fields(assemblies: list[Assembly]) -> None:
    used = {
        f"{called.service}:{called.action}"
        for assembly in assemblies
        for machine in machines(assembly, REFERENCE)
        for _, task in machine.tasks()
        if not (called := integration(str(task["Resource"]))).through_sdk and not called.function
    }
    assert used <= set(FIELDS)
