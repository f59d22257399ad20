"""Scaling is as the settings say, and absent where they say nothing."""

from __future__ import annotations

import json
from typing import Any

from lambda_src.naming import VARIANT
from stacks.workflow.scaling import METRIC
from tests.infra.conftest import Synthesized

STATES = ("RegisterScaling", "TrackConcurrency", "ScheduleNight", "ScheduleDay")
UPDATES = ("UpdateEndpoint", "UpdateEndpointUnguarded", "RestoreChampion")


def states(synthesized: Synthesized) -> dict[str, Any]:
    found: dict[str, Any] = synthesized.machine("training")["States"]
    return found


def actions(synthesized: Synthesized) -> set[str]:
    found = (each["Action"] for each in synthesized.statements())
    return {name for each in found for name in (each if isinstance(each, list) else [each])}


def test_scaling_is_absent_when_the_settings_do_not_ask_for_it(synthesized: Synthesized) -> None:
    made = states(synthesized)
    assert not {*STATES, "ScaleAgain", "ScaledAfter"} & set(made)
    assert not [name for name in UPDATES if "RetainAllVariantProperties" in made[name]["Arguments"]]
    # What earlier settings asked for is taken away.
    assert made["StopScaling"]["Next"] == "FindEndpoint"
    assert made["StopScalingToPause"]["Next"] == "FindEndpointToPause"
    wanted = actions(synthesized)
    assert {each for each in wanted if each.startswith("application-autoscaling:")} == {
        "application-autoscaling:DeregisterScalableTarget"
    }
    assert not {"iam:CreateServiceLinkedRole", "sagemaker:UpdateEndpointWeightsAndCapacities"} & wanted


def test_every_setting_of_scaling_reaches_the_service(overlaid: Synthesized) -> None:
    made = states(overlaid)
    given = {name: made[name]["Arguments"] for name in STATES}
    for each in given.values():
        assert each["ResourceId"] == f"endpoint/scones-dev-vehicles/variant/{VARIANT}"
        assert each["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    bounds = given["RegisterScaling"]
    assert (bounds["MinCapacity"], bounds["MaxCapacity"]) == (3, 6)
    assert given["TrackConcurrency"]["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 4,
        "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        "ScaleOutCooldown": 120,
        "ScaleInCooldown": 900,
    }
    for name, schedule, minimum in (
        ("ScheduleNight", "cron(30 22 * * ? *)", 2),
        ("ScheduleDay", "cron(5 6 * * ? *)", 3),
    ):
        action = given[name]
        assert (action["Schedule"], action["Timezone"]) == (schedule, "Europe/Berlin")
        assert action["ScalableTargetAction"] == {"MinCapacity": minimum}


def test_an_update_keeps_the_instances_that_scaling_came_to(overlaid: Synthesized) -> None:
    made = states(overlaid)
    assert [made[name]["Arguments"]["RetainAllVariantProperties"] for name in UPDATES] == [True] * 3


def test_scaling_stops_before_the_endpoint_changes_and_begins_when_a_model_serves(
    overlaid: Synthesized,
) -> None:
    made = states(overlaid)
    assert made["StopScaling"]["Next"] == "FindEndpoint"
    assert made["StopScalingToPause"]["Next"] == "FindEndpointToPause"
    begins = ("ChampionRestored", "ForgetPause")
    assert [made[name]["Next"] for name in begins] == ["RegisterScaling"] * 2
    assert made["ApprovePackage"]["Next"] == "LeftByHand"
    assert (made["LeftByHand"]["Default"], made["RejectLeft"]["Next"]) == ("Unpausing", "Unpausing")
    (paused,) = made["Unpausing"]["Choices"]
    assert (paused["Next"], made["Unpausing"]["Default"]) == ("ForgetPause", "RegisterScaling")


def test_a_champion_is_scaled_again_when_the_rollout_that_stopped_it_failed(overlaid: Synthesized) -> None:
    made = states(overlaid)
    for name in ("StopScaling", "FindEndpoint", "CreateEndpoint", "UpdateEndpoint", "RejectPackage"):
        (catch,) = [each for each in made[name]["Catch"] if each["ErrorEquals"] == ["States.ALL"]]
        assert catch["Next"] == "ScaleAgain", name
    assert made["RejectPackage"]["Next"] == "ScaleAgain"
    (champion,) = made["ScaleAgain"]["Choices"]
    assert (champion["Next"], made["ScaleAgain"]["Default"]) == ("RegisterScaling", "ReleaseLockAfterFailure")


def test_permissions_are_confined_to_variants_of_endpoints(overlaid: Synthesized) -> None:
    mine = [
        each for each in overlaid.statements() if "application-autoscaling:" in json.dumps(each["Action"])
    ]
    for statement in mine:
        assert statement["Condition"]["StringEquals"] == {
            "application-autoscaling:service-namespace": "sagemaker",
            "application-autoscaling:scalable-dimension": "sagemaker:variant:DesiredInstanceCount",
        }
        assert "scalable-target/*" in json.dumps(statement["Resource"])
    (linked,) = [each for each in overlaid.statements() if each["Action"] == "iam:CreateServiceLinkedRole"]
    assert "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint" in json.dumps(linked["Resource"])
    assert list(linked["Condition"]["StringEquals"]) == ["iam:AWSServiceName"]
