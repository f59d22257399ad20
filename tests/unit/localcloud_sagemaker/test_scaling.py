"""Variants are scaled, and updates of what is scaled refused, as Application Auto Scaling and SageMaker do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.autoscaling import api, targets
from localcloud.sagemaker import endpoints
from localcloud.sagemaker.errors import SageMakerError, ValidationError
from localcloud.sagemaker.fleets import variants
from localcloud.sagemaker.store import KINDS, STORE

ENDPOINT, CONFIG = KINDS["Endpoint"], KINDS["EndpointConfig"]
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ResourceId": "endpoint/scaled/variant/AllTraffic",
}
BOUNDS = {"MinCapacity": 2, "MaxCapacity": 4}
POLICY = {
    "PolicyName": "concurrency",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 4.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    },
}
NIGHT = {
    "ScheduledActionName": "night",
    "Schedule": "cron(0 22 * * ? *)",
    "Timezone": "Europe/Berlin",
    "ScalableTargetAction": {"MinCapacity": 1},
}


def config(name: str, kind: str = "ml.m5.large") -> dict[str, Any]:
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": kind,
        "InitialInstanceCount": 1,
    }
    return {"EndpointConfigName": name, "ProductionVariants": [variant]}


@pytest.fixture(autouse=True)
def _endpoint() -> Iterator[None]:
    """An endpoint of one instance, with configurations to go to."""
    one = STORE.add(CONFIG, config("one"))
    made = [one, STORE.add(CONFIG, config("large", "ml.m5.xlarge"))]
    made.append(
        STORE.add(
            ENDPOINT,
            {"EndpointName": "scaled", "EndpointConfigName": "one"},
            EndpointStatus="InService",
            ProductionVariants=variants(one),
        )
    )
    yield
    targets._targets.clear()
    for record in made:
        STORE.remove(record)


def shown() -> tuple[list[Any], ...]:
    return (
        api.perform("DescribeScalableTargets", {"ServiceNamespace": "sagemaker"})["ScalableTargets"],
        api.perform("DescribeScalingPolicies", {"ServiceNamespace": "sagemaker"})["ScalingPolicies"],
        api.perform("DescribeScheduledActions", {"ServiceNamespace": "sagemaker"})["ScheduledActions"],
    )


def test_policy_and_schedule_go_with_the_target() -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    api.perform("PutScalingPolicy", {**TARGET, **POLICY})
    api.perform("PutScheduledAction", {**TARGET, **NIGHT})
    assert [len(each) for each in shown()] == [1, 1, 1]
    api.perform("DeregisterScalableTarget", TARGET)
    assert [len(each) for each in shown()] == [0, 0, 0]


def test_bounds_change_and_the_rest_stays_when_a_target_is_registered_again() -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    api.perform("PutScalingPolicy", {**TARGET, **POLICY})
    api.perform("RegisterScalableTarget", {**TARGET, "MaxCapacity": 8})
    (target,), policies, _ = shown()
    assert (target["MinCapacity"], target["MaxCapacity"], len(policies)) == (2, 8, 1)


def test_capacity_is_put_within_the_bounds_and_kept_by_an_update_that_asks_for_it() -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    serving = STORE.get(ENDPOINT, "scaled").shown["ProductionVariants"]
    assert serving[0]["CurrentInstanceCount"] == 2
    assert variants(STORE.get(CONFIG, "large"), serving)[0]["CurrentInstanceCount"] == 2
    assert variants(STORE.get(CONFIG, "large"))[0]["CurrentInstanceCount"] == 1


def test_an_update_is_refused_when_it_changes_the_instance_type_of_what_is_scaled() -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    with pytest.raises(ValidationError, match="deregister it before its instance type is changed"):
        endpoints.OPERATIONS["UpdateEndpoint"]({"EndpointName": "scaled", "EndpointConfigName": "large"})


@pytest.mark.parametrize(
    ("action", "request_", "code", "said"),
    [
        ("RegisterScalableTarget", TARGET, "ValidationException", "are required to register"),
        (
            "RegisterScalableTarget",
            {**TARGET, "MinCapacity": 3, "MaxCapacity": 2},
            "ValidationException",
            "cannot be less",
        ),
        (
            "RegisterScalableTarget",
            {**TARGET, **BOUNDS, "ResourceId": "endpoint/none/variant/AllTraffic"},
            "ValidationException",
            "Could not find endpoint",
        ),
        (
            "RegisterScalableTarget",
            {**TARGET, **BOUNDS, "ResourceId": "endpoint/scaled/variant/other"},
            "ValidationException",
            "has no variant other",
        ),
        (
            "RegisterScalableTarget",
            {**TARGET, **BOUNDS, "ResourceId": "scaled"},
            "ValidationException",
            "Unsupported resource ID",
        ),
        (
            "RegisterScalableTarget",
            {**TARGET, **BOUNDS, "ServiceNamespace": "ecs"},
            "ValidationException",
            "only",
        ),
        ("RegisterScalableTarget", {**TARGET, **BOUNDS, "Colour": 1}, "ValidationException", "Colour"),
        ("DeregisterScalableTarget", TARGET, "ObjectNotFoundException", "No scalable target"),
        ("PutScalingPolicy", {**TARGET, **POLICY}, "ObjectNotFoundException", "No scalable target"),
        ("PutScheduledAction", {**TARGET, **NIGHT}, "ObjectNotFoundException", "No scalable target"),
        ("DescribeScalingActivities", TARGET, "UnknownOperationException", "has no DescribeScaling"),
    ],
)
def test_requests_are_refused(action: str, request_: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(SageMakerError, match=said) as caught:
        api.perform(action, request_)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("action", "request_", "said"),
    [
        ("PutScalingPolicy", {**POLICY, "PolicyType": "StepScaling"}, "tracks targets only"),
        (
            "PutScalingPolicy",
            {**POLICY, "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1.0}},
            "Exactly one of",
        ),
        (
            "PutScalingPolicy",
            {
                **POLICY,
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1.0,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
                    },
                },
            },
            "is not one of",
        ),
        ("PutScheduledAction", {**NIGHT, "Schedule": "cron(0 22 * * ?)"}, "Invalid schedule"),
        ("PutScheduledAction", {**NIGHT, "Timezone": "Europe/Atlantis"}, "Invalid time zone"),
        ("PutScheduledAction", {**NIGHT, "ScalableTargetAction": {}}, "needs a minimum capacity"),
        ("DeleteScheduledAction", {"ScheduledActionName": "noon"}, "No scheduled action found"),
        ("DeleteScalingPolicy", {"PolicyName": "noon"}, "No scaling policy found"),
    ],
)
def test_requests_about_a_target_are_refused(action: str, request_: dict[str, Any], said: str) -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    with pytest.raises(SageMakerError, match=said):
        api.perform(action, {**TARGET, **request_})


def test_a_policy_and_an_action_are_taken_away_by_name() -> None:
    api.perform("RegisterScalableTarget", {**TARGET, **BOUNDS})
    api.perform("PutScalingPolicy", {**TARGET, **POLICY})
    api.perform("PutScheduledAction", {**TARGET, **NIGHT})
    api.perform("DeleteScalingPolicy", {**TARGET, "PolicyName": "concurrency"})
    api.perform("DeleteScheduledAction", {**TARGET, "ScheduledActionName": "night"})
    assert [len(each) for each in shown()] == [1, 0, 0]


def test_what_a_caller_must_be_allowed_is_more_than_the_call() -> None:
    asked = [action for action, _, _ in api.demands("RegisterScalableTarget", {**TARGET, **BOUNDS})]
    assert asked == [
        "application-autoscaling:RegisterScalableTarget",
        *("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"),
        *("sagemaker:UpdateEndpointWeightsAndCapacities", "iam:CreateServiceLinkedRole"),
    ]
    for _, alarm, _ in list(api.demands("PutScalingPolicy", {**TARGET, **POLICY}))[1:]:
        assert ":alarm:TargetTracking-endpoint/scaled/variant/AllTraffic-" in alarm
