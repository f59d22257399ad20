"""What CloudFormation takes and a service refuses, or never does, is found in the templates as they are."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from stacks.checks import alarms, functions, refusals
from stacks.checks.assemblies import Assembly
from tests.checks.conftest import planted

STREAM = "ResultsPublishFunctionDynamoDBEventSource"
QUEUED = "InboundDispatcherFunctionSqsEventSource"
FIREHOSE = {"Prefix": "a/!{timestamp:yyyy}/"}
COLD = {"Rules": [{"Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 29}]}]}
GONE = {
    "Rules": [{"ExpirationInDays": 30, "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}]}]
}
OTHERS = {"Fn::GetAtt": ["ClassifyRoleFA475C24", "Arn"]}


@pytest.mark.parametrize(
    ("stack", "name", "wrong", "said"),
    [
        ("classification", "ClassifyFunction", {"ReservedConcurrentExecutions": 0}, "it never runs"),
        ("classification", "ClassifyFunction", {"MemorySize": 10_241}, "outside 128…10240"),
        ("classification", "ResultsPublishFunctionB", {"Role": OTHERS}, "act in one role"),
        ("classification", "ResultsPublishFunctionB", {"Role": OTHERS}, "is a role that nothing takes"),
        ("classification", QUEUED, {"BatchSize": 100}, "need a MaximumBatchingWindowInSeconds"),
        ("classification", QUEUED, {"StartingPosition": "LATEST"}, "a queue has no StartingPosition"),
        ("classification", STREAM, {"StartingPosition": None}, "a stream needs a StartingPosition"),
        ("classification", "ResultsTable", {"StreamSpecification": None}, "has no stream"),
        ("classification", "InboundQueue7", {"RedrivePolicy": {"maxReceiveCount": 0}}, "outside 1…1000"),
        ("classification", "InboundQueue7", {"RedrivePolicy": {"maxReceiveCount": 4}}, "and the queue at 4"),
        (
            "classification",
            "PredictionLogStream",
            {"ExtendedS3DestinationConfiguration": FIREHOSE},
            "there must be an ErrorOutputPrefix",
        ),
        ("data", "InboundBucket8", {"LifecycleConfiguration": COLD}, "after 29 days, and S3 after 30"),
        ("data", "InboundBucket8", {"LifecycleConfiguration": GONE}, "when they have expired"),
        ("training", "State", {"Replicas": [{"Region": "us-east-1"}]}, "wherever the stack is deployed"),
    ],
)
def test_a_value_that_is_refused_is_found(
    assemblies: list[Assembly], stack: str, name: str, wrong: dict[str, Any], said: str
) -> None:
    def edit(resource: dict[str, Any]) -> None:
        properties = {**resource["Properties"], **wrong}
        resource["Properties"] = {key: each for key, each in properties.items() if each is not None}

    found = refusals.check([planted(assemblies, stack, name, edit)]).findings
    assert any(said in each for each in found), found


def test_a_state_machine_that_logs_waits_for_its_roles_policies(assemblies: list[Assembly]) -> None:
    for kept in ([], ["WorkflowRole98C7DC98"]):
        waits = {"DependsOn": kept}
        broken = planted(assemblies, "training", "WorkflowMachine", partial(dict.update, **waits))
        assert any(
            "does not wait for WorkflowRoleDefaultPolicy" in each
            for each in refusals.check([broken]).findings
        )


def test_a_custom_resource_speaks_to_the_function_that_hears_events(assemblies: list[Assembly]) -> None:
    name = "TrainOnDeployProviderframeworkisComplete15E5F610"

    def edit(resource: dict[str, Any]) -> None:
        resource["Properties"]["ServiceToken"] = {"Fn::GetAtt": [name, "Arn"]}

    found = refusals.check([planted(assemblies, "training", "TrainOnDeployF5", edit)]).findings
    assert any("not framework.onEvent" in each for each in found)


@pytest.mark.parametrize("value", ["ten", "0", "1.5"])
def test_a_variable_that_its_function_cannot_read_is_found(assemblies: list[Assembly], value: str) -> None:
    def edit(resource: dict[str, Any]) -> None:
        resource["Properties"]["Environment"]["Variables"]["CONCURRENCY"] = value

    broken = planted(assemblies, "classification", "InboundDispatcherFunctionE", edit)
    said = f"The environment variable CONCURRENCY is {value!r}; it must be a whole number of 1 or more."
    assert any(said in each for each in functions.check([broken]).findings)


_HEARD, _WAITER = "USER_ON_EVENT_FUNCTION_ARN", "WAITER_STATE_MACHINE_ARN"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({_HEARD: None}, f"it reads {_HEARD}, which is not set"),
        ({"USER_ON_EVNT_FUNCTION_ARN": {"Ref": "A"}}, "is set, and it does not read it"),
        ({_HEARD: {"Ref": "TrainOnDeployOnEventFunction028A8674"}}, f"{_HEARD} is"),
        ({_HEARD: {"Fn::GetAtt": ["SmokeTestFunction", "Arn"]}}, f"{_HEARD} is"),
        ({_WAITER: {"Ref": "WorkflowRole98C7DC98"}}, f"{_WAITER} is"),
        (
            {_WAITER: {"Fn::GetAtt": ["TrainOnDeployProviderwaiterstatemachineBC889CE7", "Name"]}},
            f"{_WAITER} is",
        ),
    ],
)
def test_a_variable_of_cdks_own_function_is_found_to_be_wrong(
    assemblies: list[Assembly], wrong: dict[str, Any], said: str
) -> None:
    def edit(resource: dict[str, Any]) -> None:
        given = resource["Properties"]["Environment"]["Variables"]
        changed = {**given, **wrong}
        resource["Properties"]["Environment"]["Variables"] = {
            name: each for name, each in changed.items() if each is not None
        }

    broken = planted(assemblies, "training", "TrainOnDeployProviderframeworkonEvent", edit)
    found = functions.check([broken]).findings
    assert any(said in each for each in found), found


ALARM: dict[str, Any] = {
    "Namespace": "AWS/SageMaker",
    "MetricName": "ModelLatency",
    "AlarmDescription": "over 2000 ms",
    "ExtendedStatistic": "p99",
    "EvaluationPeriods": 3,
    "Period": 60,
    "Threshold": 2_000_000,
}
PROCESSOR = {"Namespace": "/aws/sagemaker/Endpoints", "MetricName": "CPUUtilization"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, ""),
        ({"DatapointsToAlarm": 2}, ""),
        ({"ExtendedStatistic": "p99.9"}, ""),
        ({"ExtendedStatistic": "TM(10%:90%)"}, ""),
        ({"Period": 3_600, "EvaluationPeriods": 100}, ""),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm is 4"),
        ({"ExtendedStatistic": "p101"}, "no ExtendedStatistic p101"),
        ({"Statistic": "Sum"}, "has Statistic and ExtendedStatistic"),
        ({"Period": 90}, "a multiple of 60"),
        ({"Period": 300, "EvaluationPeriods": 300}, "looks back 90000 s"),
        ({"Threshold": 2_000}, "is in Microseconds"),
        ({"Threshold": 3_000_000}, "says 2000 ms"),
        ({**PROCESSOR, "Threshold": 0.9}, "is in Percent"),
    ],
)
def test_an_alarms_numbers_fit_together(wrong: dict[str, Any], said: str) -> None:
    found = list(alarms.faults({**ALARM, **wrong}))
    assert bool(found) is bool(said)
    assert not said or any(said in each for each in found)


def test_an_alarm_has_a_statistic() -> None:
    without = {key: each for key, each in ALARM.items() if key != "ExtendedStatistic"}
    assert any("has neither" in each for each in alarms.faults(without))
