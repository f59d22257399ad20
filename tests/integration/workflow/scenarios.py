"""What services answer to the state machines in runs whose paths no real service would take on demand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_src.naming import UNDECIDED
from tests.integration.workflow.conftest import PREFIX

Answer = Mapping[str, Any]
Answers = dict[str, list[Answer]]
"""By state, one per attempt; the last one is repeated."""


def gives(**result: Any) -> Answer:
    """Answer with a result."""
    return {"Return": result}


def throws(error: str, cause: str = "provoked by a test") -> Answer:
    """Answer with an error."""
    return {"Throw": {"Error": error, "Cause": cause}}


@dataclass(frozen=True)
class Scenario:
    """
    A run with mocked answers, on each machine that has the states which answer in their own way.

    Parameters
    ----------
    machine
        Label of the state machine.
    ends
        Status of the execution, or the error that it fails with.
    answers
        Laid over the machine's usual answers; called with the execution's ARN.
    start
        The execution's input.
    """

    name: str
    machine: str
    ends: str
    answers: Callable[[str], Answers] = field(default=lambda arn: {})
    start: Mapping[str, Any] = field(default_factory=dict)


def _gate(accepted: bool) -> Answer:
    verdict = {"accepted": accepted, "accuracy": 0.97, "reason": "97.0% of 200 test images right."}
    return gives(Body=json.dumps(verdict))


def _model(arn: str) -> str:
    return f"{PREFIX}-{hashlib.sha256(arn.encode()).hexdigest()[:12]}"


def endpoint(status: str) -> Answer:
    return gives(Endpoints=[{"EndpointName": PREFIX, "EndpointStatus": status}])


def _usual_training(arn: str) -> Answers:
    nothing = (
        *(
            "Lock",
            "ReadChampion",
            "SeedIndex",
            "SeedReviewed",
            "Stage",
            "RememberVersion",
            "RememberTraining",
            "RememberRejectedTraining",
            "TransformCandidate",
            "Evaluate",
        ),
        *(
            "CreateModel",
            "CreateEvaluationModel",
            "CreateEndpointConfig",
            "CreateEndpoint",
            "SmokeTest",
            "RecordChampion",
        ),
        *("ReleaseLock", "ReleaseLockAfterFailure", "NotifyFailure", "DeleteRejectedModel"),
        *(
            "ReadPaused",
            "RecordRun",
            "RecordFailure",
            "RecordRejection",
            "RejectPackage",
            "ApprovePackage",
            "ApproveChampion",
            "RejectLeft",
        ),
        *(
            "RemoveEndpointConfig",
            "RestoreChampion",
            "DeleteCreatedEndpoint",
            "UpdateEndpointUnguarded",
        ),
        *("RecreateModel", "RecreateEvaluationModel", "RecordPaused", "ForgetPause", "DeletePausedEndpoint"),
        "DeleteRejectedEvaluationModel",
        *("NotifyRejection", "ReleaseLockAfterRejection", "TransformChampion", "EvaluateAgainstChampion"),
        *("UpdateEndpoint", "DeleteFailedEndpoint", "ReadLock", "TakeOverLock"),
        *("StopScaling", "StopScalingToPause", "RegisterScaling", "TrackConcurrency"),
        *("ScheduleNight", "ScheduleDay", "CreateShadowConfig", "SayInShadow"),
    )
    live = {"EndpointName": PREFIX, "EndpointConfigName": _model(arn)}
    package = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{PREFIX}/1"
    trained = gives(ModelArtifacts={"S3ModelArtifacts": "s3://models/model.tar.gz"})
    return {
        **{state: [gives()] for state in nothing},
        "ReadSummary": [gives(Body='{"version": "0123456789abcdef"}')],
        "Train": [trained],
        "Search": [gives(BestTrainingJob={"TrainingJobName": "best"})],
        "ReadBest": [trained],
        "Package": [gives(archive_uri="s3://models/archive.tar.gz")],
        "ReadGate": [_gate(accepted=True)],
        "Register": [gives(ModelPackageArn=package)],
        "ReadGuardAlarms": [gives(MetricAlarms=[])],
        "FindEndpoint": [gives(Endpoints=[])],
        "DescribeEndpoint": [
            gives(**live, EndpointStatus="Creating"),
            gives(**live, EndpointStatus="InService"),
        ],
        "DescribeHolder": [gives(Status="RUNNING")],
        "DescribeRestored": [
            gives(**OLD, EndpointStatus="Updating"),
            gives(**OLD, EndpointStatus="InService"),
        ],
        "DescribePackage": [gives(**PACKAGE)],
        "DescribeChampion": [gives(ModelApprovalStatus="Approved")],
        "FindModel": [gives(Models=[{"ModelName": OLDER}, {"ModelName": f"{OLDER}-cpu"}])],
        "FindEndpointConfig": [gives(EndpointConfigs=[{"EndpointConfigName": OLDER}])],
        "FindEndpointToPause": [gives(Endpoints=[])],
    }


OLD = {"EndpointName": PREFIX, "EndpointConfigName": f"{PREFIX}-aaaabbbbcccc"}
OLDER = f"{PREFIX}-ddddeeeeffff"
PACKAGE = {
    "ModelPackageVersion": 1,
    "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://models/older.tar.gz"}]},
    "ModelMetrics": {"ModelQuality": {"Statistics": {"S3Uri": "s3://models/evaluation.json"}}},
    "CustomerMetadataProperties": {
        "run": "ddddeeeeffff",
        "dataset_version": "0123456789abcdef",
        "accuracy": "0.96",
        "training_artifact": "s3://models/older-training.tar.gz",
    },
}


CHAMPION = {
    "run": {"S": "aaaabbbbcccc"},
    "evaluation_model": {"S": f"{PREFIX}-aaaabbbbcccc-cpu"},
    "dataset_version": {"S": "0123456789abcdef"},
    "training_artifact": {"S": "s3://models/champion.tar.gz"},
    "endpoint_config_name": {"S": f"{PREFIX}-aaaabbbbcccc"},
    "model_package_arn": {"S": f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{PREFIX}/2"},
    "evaluation_uri": {"S": "s3://models/champion/evaluation.json"},
    "accuracy": {"N": "0.97"},
}
HELD = [gives(Item={"execution_arn": {"S": "arn:aws:states:us-east-1:000000000000:execution:m:holder"}})]
DELETED = [throws("SageMaker.SageMakerException")] * 5
"""What is asked of a version that there is no more: an error that is retried, since others have the same name."""
TAKEN = throws("DynamoDB.ConditionalCheckFailedException")
STARTED = {name: {"S": "2026-01-01T00:00:00Z"} for name in ("at", "started_at")} | {
    "run": {"S": "aaaabbbbcccc"}
}
"""A training that an analysis has started."""
IMAGE = {"bucket": "inbound", "key": "vehicles/a b.png", "version_id": "v1", "size": 1000}
IMAGES = {"images": [IMAGE]}
ANSWER = {
    "class": "bicycle",
    "confidence": 0.99,
    "probabilities": {"bicycle": 0.99, "motorcycle": 0.01},
    "confident": True,
    "threshold": 0.9,
    "model_version": "aaaabbbbcccc",
    "inference_id": "i",
    "milliseconds": 12,
    "route": "near",
    "sampled": False,
    "image": {"brightness": 0.5},
    "embedding": [0.0] * 8,
}


def answers(answer: Mapping[str, Any], image: Mapping[str, Any] = IMAGE) -> Answer:
    """Answer as the function that classifies does, of one image."""
    return {"Return": [{"image": image, "answer": answer, "failure": {}}]}


def fails(error: str) -> Answer:
    """Answer as that function does of an image that it has no answer for."""
    return {
        "Return": [{"image": IMAGE, "answer": {}, "failure": {"error": error, "cause": "provoked by a test"}}]
    }


RECORDED = {
    **{name: {"S": name} for name in ("object", "version_id", "decision_id", "classifier", "class", "route")},
    **{name: {"S": ""} for name in ("reason", "model_version", "inference_id", "recorded_at")},
    "sampled": {"S": "false"},
    "outcome": {"S": "review"},
    "probabilities": {"S": "{}"},
    **{name: {"N": "0.5"} for name in ("confidence", "threshold", "milliseconds")},
}


def usual(machine: str, arn: str) -> Answers:
    """Answers of services that work, for an execution of a machine."""
    if machine == "training":
        return _usual_training(arn)
    if machine == "waiter":
        done, ended = "framework-isComplete-task", "framework-onTimeout-task"
        return {done: [gives(IsComplete=True)], ended: [gives()]}
    if machine == "analysis":
        return _usual_analysis()
    nothing = ("Record", "WriteTags", "LogPrediction", "SendToReview")
    return {
        **{state: [gives()] for state in nothing},
        "ClassifyImages": [answers(ANSWER)],
        "ReadRecorded": [gives(Item=RECORDED)],
        "ReadTags": [gives(TagSet=[{"Key": "courier", "Value": "7"}])],
    }


def _usual_analysis() -> Answers:
    nothing = (
        *(
            "ReadState",
            "ReadRetraining",
            "ReadPaused",
            "TakeAnotherTry",
            "DescribeRetraining",
            "ReadTrained",
            "ReadChampion",
            "RejectChampion",
            "StartRollback",
            "Analyse",
            "PublishMetrics",
            "CommitState",
            "TakeCooldown",
        ),
        *("StartRetraining", "MarkStarted", "NotifyFailure"),
    )
    return {
        **{state: [gives()] for state in nothing},
        "ReadAnalysis": [_found(wanted=False)],
        "DescribePredecessor": [gives(ModelApprovalStatus="Approved")],
    }


def _found(*, wanted: bool = False, back: bool = False) -> Answer:
    metric = {"MetricName": "NewReviews", "Value": 0, "Dimensions": []}
    retrain = {"wanted": wanted, "trigger": "drift", "reason": "2 of the last 3 judged windows say drift."}
    rollback = {"wanted": back, "reason": "The first judged window says drift of what the model answers."}
    found = {"windows": [], "shadow": None, "metrics": [metric], "retrain": retrain, "rollback": rollback}
    return gives(Body=json.dumps({**found, "serving": CHAMPION["run"]["S"]}))


def _tried(became: Answer, tries: str, **more: list[Answer]) -> Callable[[str], Answers]:
    """With a training that an analysis has started before."""
    before = gives(Item={**STARTED, "tries": {"S": tries}})
    asked: Answers = {
        "ReadAnalysis": [_found(wanted=True)],
        "ReadRetraining": [before],
        "DescribeRetraining": [became],
    }
    return lambda arn: {**asked, **more}


def _speaks_against(**more: list[Answer]) -> Callable[[str], Answers]:
    """With live traffic that speaks against the champion."""
    champion = gives(Item={**CHAMPION, "previous_package_arn": CHAMPION["model_package_arn"]})
    asked: Answers = {"ReadChampion": [champion], "ReadAnalysis": [_found(back=True)]}
    return lambda arn: {**asked, **more}


def _held(*holder: Answer, **more: list[Answer]) -> Callable[[str], Answers]:
    return lambda arn: {"Lock": [TAKEN, gives()], "ReadLock": HELD, "DescribeHolder": [*holder], **more}


ROLLED_BACK = gives(**OLD, EndpointStatus="InService")
SCENARIOS = (
    Scenario("first", "training", "SUCCEEDED"),
    Scenario(
        "update",
        "training",
        "SUCCEEDED",
        lambda arn: {"ReadChampion": [gives(Item=CHAMPION)], "FindEndpoint": [endpoint("InService")]},
    ),
    Scenario(
        "package",
        "training",
        "SUCCEEDED",
        lambda arn: {"ReadChampion": [gives(Item=CHAMPION)], "FindEndpoint": [endpoint("InService")]},
        {"start": "package"},
    ),
    Scenario(
        "shadow",
        "training",
        "SUCCEEDED",
        lambda arn: {
            "ReadChampion": [gives(Item=CHAMPION)],
            "FindEndpoint": [endpoint("InService")],
            "DescribeEndpoint": [
                gives(
                    EndpointName=PREFIX,
                    EndpointConfigName=f"{_model(arn)}-shadow",
                    EndpointStatus="InService",
                )
            ],
        },
        {"shadow": True},
    ),
    Scenario("rejected", "training", "SUCCEEDED", lambda arn: {"ReadGate": [_gate(accepted=False)]}),
    Scenario(
        "rejected package",
        "training",
        "SUCCEEDED",
        lambda arn: {"ReadChampion": [gives(Item=CHAMPION)], "ReadGate": [_gate(accepted=False)]},
        {"start": "package"},
    ),
    Scenario(
        "unsettled",
        "training",
        "SUCCEEDED",
        lambda arn: {
            "FindEndpoint": [endpoint("Updating"), endpoint("Failed"), gives(Endpoints=[])],
        },
    ),
    Scenario(
        "alarm",
        "training",
        "GuardAlarmError",
        lambda arn: {"ReadGuardAlarms": [gives(MetricAlarms=[{"AlarmName": "errors"}])]},
    ),
    Scenario("rolled-back", "training", "RolloutError", lambda arn: {"DescribeEndpoint": [ROLLED_BACK]}),
    Scenario(
        "job-fails", "training", "States.TaskFailed", lambda arn: {"Train": [throws("States.TaskFailed")]}
    ),
    Scenario("held", "training", "LockedError", _held(gives(Status="RUNNING"))),
    Scenario("holder-dead", "training", "SUCCEEDED", _held(gives(Status="ABORTED"))),
    Scenario("holder-unknown", "training", "SUCCEEDED", _held(throws("Sfn.ExecutionDoesNotExistException"))),
    Scenario("overtaken", "training", "LockedError", _held(gives(Status="FAILED"), TakeOverLock=[TAKEN])),
    Scenario(
        "given-back", "training", "SUCCEEDED", lambda arn: {"Lock": [TAKEN, gives()], "ReadLock": [gives()]}
    ),
    Scenario("sure", "classification", "SUCCEEDED", start=IMAGES),
    Scenario(
        "unsure",
        "classification",
        "SUCCEEDED",
        lambda arn: {"ClassifyImages": [answers({**ANSWER, "confident": False})]},
        IMAGES,
    ),
    Scenario(
        "sampled",
        "classification",
        "SUCCEEDED",
        lambda arn: {"ClassifyImages": [answers({**ANSWER, "sampled": True})]},
        IMAGES,
    ),
    Scenario(
        "no-image",
        "classification",
        "SUCCEEDED",
        lambda arn: {"ClassifyImages": [fails("InvalidImageError")]},
        IMAGES,
    ),
    Scenario(
        "gone",
        "classification",
        UNDECIDED,
        lambda arn: {"ClassifyImages": [fails("ObjectMissingError")]},
        IMAGES,
    ),
    Scenario("replayed", "classification", "SUCCEEDED", lambda arn: {"Record": [TAKEN]}, IMAGES),
    Scenario("quiet", "analysis", "SUCCEEDED"),
    Scenario("drifting", "analysis", "SUCCEEDED", lambda arn: {"ReadAnalysis": [_found(wanted=True)]}),
    Scenario(
        "taken-up",
        "analysis",
        "SUCCEEDED",
        lambda arn: {
            "ReadRetraining": [
                gives(Item={"at": {"S": "2026-01-01T00:00:00Z"}, "run": {"S": "aaaabbbbcccc"}})
            ],
            "StartRetraining": [throws("Sfn.ExecutionAlreadyExistsException")],
        },
    ),
    *(
        Scenario(
            f"tried-before-{name}",
            "analysis",
            "SUCCEEDED",
            _tried(answer, tries),
        )
        for name, answer, tries in (
            ("died", gives(Status="ABORTED"), ""),
            ("refused", gives(Status="FAILED", Error="PausedError"), "3"),
            ("thrice", gives(Status="FAILED", Error="States.TaskFailed"), "3"),
            ("well", gives(Status="SUCCEEDED"), "1"),
            ("unknown", throws("Sfn.ExecutionDoesNotExistException"), "1"),
        )
    ),
    Scenario(
        "taken-meanwhile",
        "analysis",
        "SUCCEEDED",
        _tried(gives(Status="TIMED_OUT"), "1", TakeAnotherTry=[TAKEN]),
    ),
    Scenario(
        "drifting-paused",
        "analysis",
        "SUCCEEDED",
        lambda arn: {
            "ReadAnalysis": [_found(wanted=True)],
            "ReadPaused": [gives(Item={"paused_at": {"S": "2026-01-01T00:00:00Z"}})],
        },
    ),
    Scenario(
        "cooling",
        "analysis",
        "SUCCEEDED",
        lambda arn: {"ReadAnalysis": [_found(wanted=True)], "TakeCooldown": [TAKEN]},
    ),
    Scenario(
        "rolling-back",
        "analysis",
        "SUCCEEDED",
        _speaks_against(),
    ),
    Scenario(
        "rolling-back-rejected",
        "analysis",
        "SUCCEEDED",
        _speaks_against(DescribePredecessor=[gives(ModelApprovalStatus="Rejected")]),
    ),
    Scenario(
        "rolling-back-deleted",
        "analysis",
        "SUCCEEDED",
        _speaks_against(DescribePredecessor=DELETED),
    ),
    Scenario(
        "rolling-back-from-deleted",
        "analysis",
        "SUCCEEDED",
        _speaks_against(RejectChampion=DELETED),
    ),
    Scenario(
        "rolling-back-paused",
        "analysis",
        "SUCCEEDED",
        _speaks_against(ReadPaused=[gives(Item={"paused_at": {"S": "2026-01-01T00:00:00Z"}})]),
    ),
    Scenario("superseded", "analysis", "SUCCEEDED", lambda arn: {"CommitState": [TAKEN]}),
    Scenario(
        "analysis-fails",
        "analysis",
        "States.TaskFailed",
        lambda arn: {"Analyse": [throws("States.TaskFailed")]},
    ),
    Scenario("complete", "waiter", "SUCCEEDED"),
    Scenario(
        "never-complete",
        "waiter",
        "SUCCEEDED",
        lambda arn: {"framework-isComplete-task": [throws("Error")]},
    ),
)
