"""What an operator does with a live endpoint: train anew, go back, survive a bad version, pause and resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scones import pausing, state, versions
from scones.errors import SconesError, TrainingError, VersionError
from scones.overview import overview
from scones.runs import run, under_way
from scones.target import Target, of_instance
from scones.training import start
from tests.integration.workflow.conftest import ENV, PREFIX, Deployment, until
from tests.integration.workflow.pictures import USABLE
from tests.integration.workflow.scenarios import throws
from tests.integration.workflow.traffic import analysed, classify, drawings

pytestmark = pytest.mark.timeout(600)
SHADOWED = 30
"""Pictures, of which the shadow sees a third or so."""
DEAD = "arn:aws:states:us-east-1:000000000000:execution:gone:gone"
Answers = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def target(deployment: Deployment) -> Target:
    """The deployment as the command line sees it."""
    return of_instance(deployment.instance, name="scones", env=ENV, classifier="vehicles")


def ask(deployment: Deployment) -> dict[str, Any]:
    """Return what the endpoint says of each picture, without what is another's at each call."""
    runtime = deployment.client("sagemaker-runtime")
    answers = {}
    for key, content in USABLE.items():
        answer = runtime.invoke_endpoint(
            EndpointName=PREFIX, Body=content, ContentType="application/octet-stream"
        )
        said = json.loads(answer["Body"].read())
        answers[key] = {k: v for k, v in said.items() if k not in ("inference_id", "milliseconds")}
    return answers


@pytest.fixture(scope="module")
def first(deployment: Deployment) -> dict[str, Any]:
    """The answers of the deployment's own model, before anything else is trained."""
    return ask(deployment)


def live(deployment: Deployment) -> str:
    """Return the endpoint configuration in service."""
    shown = deployment.client("sagemaker").describe_endpoint(EndpointName=PREFIX)
    assert shown["EndpointStatus"] == "InService"
    config: str = shown["EndpointConfigName"]
    return config


def scaling(deployment: Deployment) -> dict[str, Any]:
    """Return the endpoint's scaling: bounds, policies' targets, and the least instances by scheduled action."""
    client = deployment.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    policies = client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    actions = client.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    return {
        "targets": [(each["ResourceId"], each["MinCapacity"], each["MaxCapacity"]) for each in targets],
        "policies": [each["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for each in policies],
        "actions": {
            each["ScheduledActionName"]: each["ScalableTargetAction"]["MinCapacity"] for each in actions
        },
    }


SCALED = {
    "targets": [(f"endpoint/{PREFIX}/variant/AllTraffic", 3, 4)],
    "policies": [4.0],
    "actions": {"night": 2, "day": 3},
}
UNSCALED: dict[str, Any] = {"targets": [], "policies": [], "actions": {}}


def learnt_from(deployment: Deployment, target: Target) -> tuple[int, int]:
    """Return how many reviewed pictures the champion's dataset has, and how many people classified."""
    s3, bucket = deployment.client("s3"), deployment.outputs["DatasetsBucketName"]
    key = f"vehicles/{state.item(target, 'champion')['dataset_version']}/manifest.json"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="vehicles/reviewed/").get("Contents", [])
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return manifest["reviewed"], len([each for each in listed if not each["Key"].endswith("/_")])


def test_a_second_run_takes_a_dead_lock_over_and_its_model_waits_in_the_shadow(
    deployment: Deployment, target: Target, first: dict[str, Any]
) -> None:
    assert scaling(deployment) == SCALED
    champion, table = state.item(target, "champion"), state.table(target)
    item = {"id": {"S": "lock"}, "execution_arn": {"S": DEAD}, "acquired_at": {"S": "2026-01-01"}}
    deployment.client("dynamodb").put_item(TableName=table, Item=item)
    assert run(target, {"reason": "drift", "shadow": True}, print).status == "shadowing"
    assert live(deployment).endswith("-shadow")
    assert scaling(deployment) == SCALED
    assert state.item(target, "lock") == {}
    assert [each["reason"] for each in state.history(target)] == ["drift", "deploy"]
    # Nobody is routed by it.
    assert ask(deployment) == first
    assert state.item(target, "champion") == champion
    (waiting,) = [each for each in versions.versions(target) if not each.live]
    assert waiting.status == "PendingManualApproval"
    assert f"In the shadow of {champion['run']}" in waiting.why


def test_what_the_shadow_answers_is_compared_with_the_champion(
    deployment: Deployment, target: Target
) -> None:
    (waiting,) = [each for each in versions.versions(target) if not each.live]
    s3, bucket = deployment.client("s3"), deployment.outputs["ResultsBucketName"]

    def answered() -> int:
        """Count what the shadow has answered of the decisions; it sees a third of the requests."""
        found = set()
        prefix = f"shadow/vehicles/{PREFIX}/Shadow/"
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
            for line in s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().splitlines():
                captured = json.loads(line)
                answer = json.loads(captured["captureData"]["endpointOutput"]["data"])
                if "inferenceId" in captured["eventMetadata"] and answer["model_version"] == waiting.run:
                    found.add(captured["eventMetadata"]["inferenceId"])
        return len(found & sent)

    sent = {each["decision_id"] for each in classify(deployment, "shadowed", drawings(601, SHADOWED))}
    pairs = until(lambda: answered() or None, 60, "an answer of the shadow")
    shadow = analysed(deployment)["shadow"]
    assert shadow["model_version"] == waiting.run
    assert shadow["beside"] == state.item(target, "champion")["run"]
    assert pairs <= shadow["pairs"] <= SHADOWED


def test_a_model_is_promoted_from_the_shadow(deployment: Deployment, target: Target) -> None:
    (waiting,) = [each for each in versions.versions(target) if not each.live]
    before = state.item(target, "champion")
    assert versions.promote(target, None, print).status == "promoted"
    assert not live(deployment).endswith("-shadow")
    assert scaling(deployment) == SCALED
    champion = state.item(target, "champion")
    assert (champion["run"], champion["reason"]) == (waiting.run, "promote")
    assert champion["previous_package_arn"] == before["model_package_arn"]
    # What people answered in the tests before this one, if those ran.
    learnt, answered = learnt_from(deployment, target)
    assert learnt == answered


def test_a_version_that_fails_its_smoke_test_leaves_the_champion_and_its_reason(
    deployment: Deployment, target: Target
) -> None:
    champion, before = live(deployment), ask(deployment)
    (older,) = [each for each in versions.versions(target) if not each.live]
    machine = deployment.outputs["TrainingStateMachineArn"]
    # Only the smoke test is mocked: the updates of the endpoint and what the registry says are real.
    deployment.mocks.write_text(
        json.dumps(
            {
                "StateMachines": {machine.rpartition(":")[2]: {"TestCases": {"bad": {"SmokeTest": "bad"}}}},
                "MockedResponses": {"bad": {"0": throws("SmokeTestError", '{"errorMessage": "It lies."}')}},
            }
        )
    )
    states = deployment.client("stepfunctions")
    execution = states.start_execution(
        stateMachineArn=f"{machine}#bad", input=json.dumps({"start": "rollback", "package": older.arn})
    )["executionArn"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = states.describe_execution(executionArn=execution)
        return None if found["status"] == "RUNNING" else found

    found = until(ended, 200, "the end of the rollback")
    assert (found["status"], found["error"]) == ("FAILED", "SmokeTestError"), found
    assert (live(deployment), ask(deployment)) == (champion, before)
    assert scaling(deployment) == SCALED
    (rejected,) = [each for each in versions.versions(target) if not each.live]
    assert (rejected.status, rejected.why) == ("Rejected", "SmokeTestError: It lies.")
    assert state.history(target)[0]["status"] == "failed"


def test_a_rollback_restores_the_earlier_answers(
    deployment: Deployment, target: Target, first: dict[str, Any]
) -> None:
    (older,) = [each for each in versions.versions(target) if not each.live]
    newer = ask(deployment)
    assert versions.rollback(target, older.version, print).status == "promoted"
    assert ask(deployment) == first
    assert newer != first
    champion = state.item(target, "champion")
    assert (champion["run"], champion["reason"]) == (older.run, "rollback")
    found = versions.versions(target)
    assert [each.status for each in found if each.live] == ["Approved"]
    # What was left is not come back to, unless it is named.
    (left,) = [each for each in found if not each.live]
    assert left.status == "Rejected"
    assert f"by a rollback to {older.arn}" in left.why
    with pytest.raises(VersionError, match="no good version before"):
        versions.choose(found, None, versions.champion(target))
    assert versions.choose(found, left.version, versions.champion(target)) == left


def test_a_paused_endpoint_loses_nothing(deployment: Deployment, target: Target) -> None:
    before = ask(deployment)
    # What an interrupted command has started: nobody resumes meanwhile, and another pause takes it up.
    start(target, {"start": "pause", "reason": "pause"})
    assert until(lambda: under_way(target), 30, "the pause that was started").start == "pause"
    with pytest.raises(SconesError, match="A pause is under way"):
        pausing.resume(target, print)
    assert pausing.pause(target, print).startswith("paused")
    assert not overview(target)["images_taken"]
    assert pausing.pause(target, print) == "The endpoint is paused already."
    sagemaker = deployment.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    # A resumption that is ended leaves the endpoint that it had made, which costs: a pause deletes it.
    resuming = start(target, {"start": "resume", "reason": "resume"})
    until(lambda: sagemaker.list_endpoints()["Endpoints"] or None, 60, "the endpoint")
    deployment.client("stepfunctions").stop_execution(executionArn=resuming)
    assert pausing.pause(target, print).startswith("paused")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert pausing.pause(target, print) == "The endpoint is paused already."
    assert scaling(deployment) == UNSCALED
    sent = {f"paused-{number}.png": USABLE["plain.png"] for number in range(12)}
    stored = {key: deployment.upload(key, content) for key, content in sent.items()}
    with pytest.raises(TrainingError, match=r"is paused since .* run `scones resume` first"):
        run(target, {}, print)
    assert [deployment.record(key, version) for key, version in stored.items()] == [None] * len(stored)
    assert pausing.resume(target, print).startswith("resumed")
    assert pausing.resume(target, print) == "The endpoint is not paused."
    assert scaling(deployment) == SCALED
    assert {deployment.outcome(key, version)["class"] for key, version in stored.items()} <= {
        *("bicycle", "motorcycle"),
    }
    assert ask(deployment) == before


def test_a_rollback_while_paused_gives_what_waited_to_the_earlier_version(
    deployment: Deployment, target: Target
) -> None:
    (other,) = [each for each in versions.versions(target) if not each.live]
    left = state.item(target, "champion")
    assert pausing.pause(target, print).startswith("paused")
    sent = {f"left-{number}.png": USABLE["plain.png"] for number in range(4)}
    stored = {key: deployment.upload(key, content) for key, content in sent.items()}
    with pytest.raises(TrainingError, match="is paused since"):
        versions.promote(target, other.version, print)
    assert deployment.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert versions.rollback(target, other.version, print).status == "promoted"
    answered = {deployment.outcome(key, version)["model_version"] for key, version in stored.items()}
    assert answered == {other.run}
    assert state.item(target, "champion")["run"] == other.run
    assert state.item(target, "paused") == {}
    assert {each.run: each.status for each in versions.versions(target)} == {
        other.run: "Approved",
        left["run"]: "Rejected",
    }
    assert scaling(deployment) == SCALED
    assert pausing.resume(target, print) == "The endpoint is not paused."
