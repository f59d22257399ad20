"""The way of an image as it is deployed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lambda_src.naming import UNDECIDED
from stacks.checks import rendering
from stacks.constructs.inbound import MAX_RECEIVES, lanes
from tests.infra.conftest import Synthesized


def states_of(synthesized: Synthesized) -> dict[str, Any]:
    """Return the machine's states by name, those that each image goes through too."""
    return dict(rendering.states(synthesized.machine("classification")))


def test_the_machine_is_express_and_carries_no_image(synthesized: Synthesized) -> None:
    machines = synthesized.resources("AWS::StepFunctions::StateMachine")
    assert "EXPRESS" in [each["Properties"].get("StateMachineType") for _, each in machines]
    assert "base64" not in json.dumps(synthesized.machine("classification"))


def test_every_task_has_a_timeout_and_retries_with_jitter(synthesized: Synthesized) -> None:
    for name, state in states_of(synthesized).items():
        if state["Type"] == "Task":
            assert state["TimeoutSeconds"], name
            assert [each["JitterStrategy"] for each in state["Retry"]] == ["FULL"], name


def test_a_replay_acts_on_what_was_recorded(synthesized: Synthesized) -> None:
    states = states_of(synthesized)
    record = states["Record"]
    assert record["Arguments"]["ConditionExpression"] == "attribute_not_exists(#object)"
    assert record["Catch"][0] == {
        "ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"],
        "Next": "ReadRecorded",
    }
    written, read = record["Arguments"]["Item"], states["ReadRecorded"]["Assign"]["decision"]
    assert set(written) == set(read) == set(states["Routed"]["Assign"]["decision"])


def test_an_unusable_image_is_an_outcome_and_everything_else_a_failure(synthesized: Synthesized) -> None:
    states = states_of(synthesized)
    ways = [(each["Condition"], each["Next"]) for each in states["Confident"]["Choices"]]
    assert ways == [
        ("{% $failure.error = 'InvalidImageError' %}", "Rejected"),
        ("{% $exists($failure.error) %}", "Undecided"),
        ("{% $answer.confident = true %}", "Routed"),
    ]
    assert states["Undecided"]["Output"] == {"failure": "{% $failure %}"}
    assert "EndpointBusyError" in states["ClassifyImages"]["Retry"][0]["ErrorEquals"]


def test_an_image_that_fails_stops_no_other(synthesized: Synthesized) -> None:
    machine = synthesized.machine("classification")
    (each,) = rendering.inner(machine["States"]["DecideEach"])
    for name, state in each["States"].items():
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
            assert state["Catch"][-1]["Next"] == "Undecided", name
    (choice,) = machine["States"]["AllDecided"]["Choices"]
    assert (choice["Condition"], choice["Next"]) == ("{% $exists($states.input.failure) %}", "SomeUndecided")
    assert machine["States"]["SomeUndecided"]["Error"] == UNDECIDED


def test_people_get_what_is_unsure_and_what_is_sampled(synthesized: Synthesized) -> None:
    states = states_of(synthesized)
    (choice,) = states["NeedsReview"]["Choices"]
    assert choice["Next"] == "SendToReview"
    assert choice["Condition"] == "{% $decision.outcome = 'review' or $decision.sampled %}"
    assert states["NeedsReview"]["Default"] == "LogPrediction"
    # Routed as ever: what is sampled changes nothing of the outcome.
    assert [each["Condition"] for each in states["Confident"]["Choices"] if each["Next"] == "Routed"] == [
        "{% $answer.confident = true %}"
    ]


def test_the_publisher_reaches_reviews_and_reviewed_pictures_alone(synthesized: Synthesized) -> None:
    (policy,) = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for name, each in synthesized.resources("AWS::IAM::Policy")
        if name.startswith("ResultsPublish")
    ]
    written = [json.dumps(each["Resource"]) for each in policy if "s3:PutObject" in each["Action"]]
    places = [place for each in written for place in re.findall(r'"(/[^"]+)"', each)]
    assert sorted(places) == ["/reviews/vehicles/*", "/vehicles/reviewed/*"]


def test_a_message_outlives_the_dispatcher_and_redrive_is_only_a_backstop(synthesized: Synthesized) -> None:
    functions = dict(synthesized.resources("AWS::Lambda::Function"))
    (dispatcher,) = [each for name, each in functions.items() if "Dispatcher" in name]
    (queue,) = [
        each["Properties"]
        for _, each in synthesized.resources("AWS::SQS::Queue")
        if "RedrivePolicy" in each["Properties"]
    ]
    assert queue["VisibilityTimeout"] > dispatcher["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] > MAX_RECEIVES


@pytest.mark.parametrize(
    ("concurrency", "expected"), [(2, (2, 1)), (8, (2, 4)), (32, (3, 10)), (1000, (100, 10))]
)
def test_images_at_once_stay_within_the_setting(concurrency: int, expected: tuple[int, int]) -> None:
    dispatchers, batch = lanes(concurrency)
    assert (dispatchers, batch) == expected
    assert dispatchers * batch <= concurrency


def test_the_dispatcher_runs_what_the_setting_allows(synthesized: Synthesized) -> None:
    mappings = [each["Properties"] for _, each in synthesized.resources("AWS::Lambda::EventSourceMapping")]
    (source,) = [each for each in mappings if "ScalingConfig" in each]
    allowed = 8 if synthesized.env == "dev" else 32
    assert source["BatchSize"] * source["ScalingConfig"]["MaximumConcurrency"] <= allowed
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
