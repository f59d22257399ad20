"""The training state machine as it is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest
from jsonata import Jsonata

from stacks.images import GPU_INFERENCE_AMI, RAY
from tests.infra.conftest import Synthesized, synthesize

ENDING = {"ReleaseLockAfterFailure", "RecordFailure", "NotifyFailure"}
UNDOING = {
    **dict.fromkeys(("DescribeEndpoint", "SayInShadow", "SmokeTest", "RecordChampion"), "WhatToUndo"),
    **dict.fromkeys(("RestoreChampion", "DescribeRestored", "DeleteCreatedEndpoint"), "OtherThanChampion"),
}
"""Where a failure leads once the endpoint may serve the new model."""


def test_every_task_has_a_timeout_retries_and_a_catch(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    assert len(tasks) > 20
    for name, state in tasks.items():
        assert state.get("TimeoutSeconds"), name
        assert state.get("Retry"), name
        assert [each for each in state["Catch"] if each["ErrorEquals"] == ["States.ALL"]], name


def test_every_failure_leads_to_the_one_failure_path(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    for name, state in states.items():
        for catch in state.get("Catch", []):
            if catch["ErrorEquals"] == ["States.ALL"] and name not in ENDING:
                assert catch["Next"] == UNDOING.get(name, "ReleaseLockAfterFailure"), name


def test_every_state_can_be_reached(synthesized: Synthesized) -> None:
    machine = synthesized.machine("training")
    seen, todo = set(), [machine["StartAt"]]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        state = machine["States"][name]
        todo += [state[key] for key in ("Next", "Default") if key in state]
        todo += [each["Next"] for each in [*state.get("Catch", []), *state.get("Choices", [])]]
    assert seen == set(machine["States"])


def test_a_model_is_recorded_as_champion_before_it_is_approved(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    record = states["RecordChampion"]
    assert record["Next"] == "ApprovePackage"
    # A run that is ended in between leaves its rest to the one that settles.
    assert "Execution.StartTime" in record["Arguments"]["Item"]["trained_at"]["S"]
    assert states["Settled"]["Next"] == "DescribeChampion"
    (pending,) = states["ChampionApproved"]["Choices"]
    assert (pending["Next"], states["ChampionApproved"]["Default"]) == (
        "ApproveChampion",
        states["ApproveChampion"]["Next"],
    )


@pytest.mark.parametrize(
    ("live", "serves"), [("old", True), ("a-shadow-b-123", False), ("a-shadow-b-123-shadow", True)]
)
def test_only_a_configuration_of_a_shadow_counts_as_one_whatever_the_deployment_is_called(
    synthesized: Synthesized, live: str, serves: bool
) -> None:
    (choice,) = synthesized.machine("training")["States"]["ServesChampion"]["Choices"]
    given = {"endpointStatus": "InService", "liveConfig": live, "champion": {"endpoint_config_name": "old"}}
    assert evaluated(choice["Condition"], given) is serves


def evaluated(expression: str, given: Mapping[str, object]) -> object:
    """Evaluate a state's JSONata with these variables."""
    parsed = Jsonata(expression.removeprefix("{%").removesuffix("%}"))
    frame = parsed.create_frame()
    for name, value in given.items():
        frame.bind(name, value)
    parsed.register_lambda("parse", json.loads)  # Step Functions' own function
    frame.bind("states", {"context": {"Execution": {"Id": "arn"}}})
    return parsed.evaluate(None, frame)


JOB = {
    "ProcessingJobName": "scones-dev-vehicles-stage-0123456789ab-0",
    "ProcessingInputs": ["x" * 4000],
    "ExitMessage": "The folder has no class 'car'.",
    "FailureReason": "AlgorithmError: See job logs for more information",
}


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (json.dumps(JOB), "The folder has no class 'car'."),
        (json.dumps({**JOB, "ExitMessage": ""}), "AlgorithmError: See job logs for more information"),
        ('{"errorMessage": "It lies.", "errorType": "SmokeTestError"}', "It lies."),
        ('{"Status": "FAILED"}', '{"Status": "FAILED"}'),
        ('{"FailureReason": "cut o', '{"FailureReason": "cut o'),
        ("No FailureReason.", "No FailureReason."),
        (None, "No cause was given."),
    ],
)
def test_who_reads_the_history_or_the_mail_is_told_the_sentence_that_a_job_gave(
    synthesized: Synthesized, cause: str | None, said: str
) -> None:
    states = synthesized.machine("training")["States"]
    failure = {"Error": "States.TaskFailed"} | ({"Cause": cause} if cause else {})
    recorded = states["RecordFailure"]["Arguments"]["Item"]["gate_reason"]["S"]
    assert evaluated(recorded, {"failure": failure}) == f"States.TaskFailed: {said}"
    mailed = states["NotifyFailure"]["Arguments"]["Message"]
    assert evaluated(mailed, {"failure": failure}) == f"Execution arn failed: States.TaskFailed: {said}"


@pytest.mark.parametrize(
    ("start", "reason", "waits"),
    [
        ("stage", "schedule", True),
        ("settle", "stopped", True),
        ("stage", "hand", False),
        ("stage", "drift", False),
    ],
)
def test_the_calendars_training_waits_for_the_lock(
    synthesized: Synthesized, start: str, reason: str, waits: bool
) -> None:
    (choice,) = synthesized.machine("training")["States"]["WhetherToWait"]["Choices"]
    assert evaluated(choice["Condition"], {"start": start, "reason": reason}) is waits


def test_training_is_isolated_and_resumable(synthesized: Synthesized) -> None:
    arguments = synthesized.machine("training")["States"]["Train"]["Arguments"]
    assert arguments["EnableNetworkIsolation"] is True
    assert arguments["CheckpointConfig"]["S3Uri"]
    assert arguments["EnableManagedSpotTraining"] is (synthesized.env == "prod")


def test_prod_trains_and_serves_on_gpus_and_dev_does_not() -> None:
    for env, gpu in (("dev", False), ("prod", True)):
        states = synthesize(env).machine("training")["States"]
        variant = states["CreateEndpointConfig"]["Arguments"]["ProductionVariants"][0]
        train = states["Train"]["Arguments"]
        assert (variant.get("InferenceAmiVersion") == GPU_INFERENCE_AMI) is gpu
        assert variant["InstanceType"].startswith("ml.g5") is gpu
        assert ("cu133" in train["AlgorithmSpecification"]["TrainingImage"]) is gpu
        # Local NVMe takes no key.
        assert ("VolumeKmsKeyId" in train["ResourceConfig"]) is not gpu


@pytest.mark.parametrize(
    ("env", "count", "routing"),
    [("dev", 1, "ALL_AT_ONCE"), ("dev", 2, "CANARY"), ("prod", 1, "ALL_AT_ONCE"), ("prod", 2, "CANARY")],
)
def test_a_rollout_is_watched_for_as_long_as_its_alarms_need_to_ring(
    tmp_path: Path, env: str, count: int, routing: str
) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(f"[classifier.vehicles.serving]\ninstance_count = {count}\n")
    found = synthesize(env, overlay)
    update = found.machine("training")["States"]["UpdateEndpoint"]["Arguments"]["DeploymentConfig"]
    policy = update["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"]["Type"] == routing
    assert len(update["AutoRollbackConfiguration"]["Alarms"]) == 2
    resources = found.templates["training"]["Resources"].values()
    alarms = [each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
    needs = max(each["Period"] * each["EvaluationPeriods"] for each in alarms) + 60
    for waits in (
        policy["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"],
        policy["TerminationWaitInSeconds"],
    ):
        assert waits >= needs


def test_guard_alarms_are_quiet_without_data(synthesized: Synthesized) -> None:
    resources = synthesized.templates["training"]["Resources"].values()
    alarms = [each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 2
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}
    assert all(alarm["AlarmDescription"] for alarm in alarms)


def test_the_custom_resource_comes_after_every_role_and_policy(synthesized: Synthesized) -> None:
    template = synthesized.templates["training"]
    (resource,) = [each for each in template["Resources"].values() if each["Type"] == "Custom::TrainOnDeploy"]
    provider = ("Provider", "AlertsPolicy")
    for name, each in template["Resources"].items():
        if each["Type"] in ("AWS::IAM::Policy", "AWS::IAM::Role") and not any(
            part in name for part in provider
        ):
            assert name in resource["DependsOn"], name


def test_models_are_evaluated_on_cpus_in_the_cpu_image(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    state = "CreateEvaluationModel" if synthesized.env == "prod" else "CreateModel"
    assert ("CreateEvaluationModel" in states) is (synthesized.env == "prod")
    assert states[state]["Arguments"]["PrimaryContainer"]["Image"].endswith("ray:serve-ml-sagemaker-cpu-v1.5")
    transform = states["TransformCandidate"]["Arguments"]
    assert transform["ModelName"] == "{% $evaluationModel %}"
    assert transform["TransformResources"]["InstanceType"] == "ml.m5.xlarge"


def test_the_serving_image_holds_the_ray_that_is_tested_here() -> None:
    # AWS's changelog of the image.
    assert version("ray") == "2.59.0"
    assert all(image.endswith("-v1.5") for image in RAY.values())


def test_a_rejected_run_leaves_no_model(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    made = {name for name in states if name.startswith("Create") and name.endswith("Model")}
    deleted = {name for name in states if name.startswith("DeleteRejected")}
    assert len(made) == len(deleted)


def test_a_rollout_has_time_for_its_bakes(synthesized: Synthesized) -> None:
    update = synthesized.machine("training")["States"]["UpdateEndpoint"]["Arguments"]["DeploymentConfig"]
    policy = update["BlueGreenUpdatePolicy"]
    waits = (
        policy["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] + policy["TerminationWaitInSeconds"]
    )
    assert waits < policy["MaximumExecutionTimeoutInSeconds"] <= 14400
