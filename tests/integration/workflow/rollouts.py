"""Rollouts that fail, rollbacks, pauses and resumptions: what services answer in runs that are provoked."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.workflow.conftest import PREFIX
from tests.integration.workflow.scenarios import (
    CHAMPION,
    DELETED,
    HELD,
    OLD,
    OLDER,
    PACKAGE,
    ROLLED_BACK,
    TAKEN,
    Answer,
    Answers,
    Scenario,
    endpoint,
    gives,
    throws,
)

_BACK = {"start": "rollback", "package": f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{PREFIX}/1"}
_REFUSED = throws("SmokeTestError", '{"errorMessage": "The endpoint says\\n motorcycle.", "errorType": "E"}')
_FULL = "ApplicationAutoScaling.LimitExceededException"
_UNKNOWN = throws("ApplicationAutoScaling.ObjectNotFoundException")
_RINGING = [gives(MetricAlarms=[{"AlarmName": "errors"}])]
_OWN: Answers = {
    "DescribePackage": [gives(**{**PACKAGE, "CustomerMetadataProperties": {"run": "aaaabbbbcccc"}})],
    "FindModel": [gives(Models=[{"ModelName": OLD["EndpointConfigName"]}])],
    "FindEndpointConfig": [gives(EndpointConfigs=[{"EndpointConfigName": OLD["EndpointConfigName"]}])],
    "DescribeEndpoint": [ROLLED_BACK],
}
"""Of a rollback to the champion itself."""
_ARRIVES: Answers = {
    "DescribeEndpoint": [gives(EndpointName=PREFIX, EndpointConfigName=OLDER, EndpointStatus="InService")]
}
"""Of a rollback to another version."""


def _champion(**more: list[Answer]) -> Callable[[str], Answers]:
    """With a champion in service."""
    usual: Answers = {"ReadChampion": [gives(Item=CHAMPION)], "FindEndpoint": [endpoint("InService")]}
    return lambda arn: {**usual, **more}


def _back(**more: list[Answer]) -> Callable[[str], Answers]:
    """With a champion in service, and an older version that arrives."""
    return _champion(**_ARRIVES, **more)


def _paused(**more: list[Answer]) -> Callable[[str], Answers]:
    paused = [gives(Item={"paused_at": {"S": "2026-01-01T00:00:00Z"}})]
    return _champion(
        **{
            "ReadPaused": paused,
            "FindEndpoint": [gives(Endpoints=[])],
            "DescribeEndpoint": [ROLLED_BACK],
            **more,
        }
    )


ROLLOUTS = (
    Scenario("smoke-first", "training", "SmokeTestError", lambda arn: {"SmokeTest": [_REFUSED]}),
    Scenario("smoke", "training", "SmokeTestError", _champion(SmokeTest=[_REFUSED])),
    Scenario("unscaled", "training", "SUCCEEDED", lambda arn: {"StopScaling": [_UNKNOWN]}),
    Scenario(
        "pause-unscaled",
        "training",
        "SUCCEEDED",
        _champion(StopScalingToPause=[_UNKNOWN]),
        {"start": "pause"},
    ),
    Scenario("scaling-fails", "training", _FULL, lambda arn: {"RegisterScaling": [throws(_FULL)]}),
    Scenario(
        "scaling-fails-too",
        "training",
        "SmokeTestError",  # the first failure stays the run's
        _champion(SmokeTest=[_REFUSED], RegisterScaling=[throws(_FULL)]),
    ),
    Scenario(
        "champion-lost",
        "training",
        "SmokeTestError",
        _champion(SmokeTest=[_REFUSED], DescribeRestored=[gives(**OLD, EndpointStatus="Failed")]),
    ),
    Scenario("went-back", "training", "RolloutError", _champion(DescribeEndpoint=[ROLLED_BACK])),
    Scenario("rollback", "training", "SUCCEEDED", _back(), _BACK),
    Scenario(
        "rollback-from-deleted",
        "training",
        "SUCCEEDED",
        _back(RejectLeft=DELETED),
        {**_BACK, "reason": "rollback"},
    ),
    Scenario("rollback-by-hand", "training", "SUCCEEDED", _back(), {**_BACK, "reason": "rollback"}),
    Scenario(
        "rollback-anew",
        "training",
        "SUCCEEDED",
        _back(FindModel=[gives(Models=[])], FindEndpointConfig=[gives(EndpointConfigs=[])]),
        _BACK,
    ),
    Scenario(
        "rollback-champion",
        "training",
        "SUCCEEDED",
        _champion(**_OWN),
        _BACK,
    ),
    Scenario(
        "rollback-champion-fails",
        "training",
        "SmokeTestError",
        _champion(**_OWN, SmokeTest=[_REFUSED]),
        {**_BACK, "package": CHAMPION["model_package_arn"]["S"]},
    ),
    Scenario(
        "settle",
        "training",
        "SUCCEEDED",
        _champion(
            FindUnsettled=[endpoint("Updating"), endpoint("InService")], DescribeUnsettled=[ROLLED_BACK]
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-recorded",
        "training",
        "SUCCEEDED",
        _champion(
            FindUnsettled=[endpoint("InService")],
            DescribeUnsettled=[ROLLED_BACK],
            DescribeChampion=[gives(ModelApprovalStatus="PendingManualApproval")],
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-deleted",
        "training",
        "SUCCEEDED",
        _champion(
            FindUnsettled=[endpoint("InService")],
            DescribeUnsettled=[ROLLED_BACK],
            DescribeChampion=DELETED,
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-back",
        "training",
        "SUCCEEDED",
        _champion(
            FindUnsettled=[endpoint("InService")],
            DescribeUnsettled=[gives(**{**OLD, "EndpointConfigName": OLDER}, EndpointStatus="InService")],
            **_OWN,
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-shadow",
        "training",
        "SUCCEEDED",
        _champion(
            FindUnsettled=[endpoint("InService")],
            DescribeUnsettled=[
                gives(**{**OLD, "EndpointConfigName": f"{OLDER}-shadow"}, EndpointStatus="InService")
            ],
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-gone",
        "training",
        "SUCCEEDED",
        _champion(**_OWN, FindUnsettled=[gives(Endpoints=[])]),
        {"start": "settle"},
    ),
    Scenario(
        "settle-paused",
        "training",
        "SUCCEEDED",
        _paused(FindUnsettled=[gives(Endpoints=[])]),
        {"start": "settle"},
    ),
    Scenario(
        "settle-half-resumed",
        "training",
        "SUCCEEDED",
        _paused(
            FindUnsettled=[endpoint("Creating")],
            FindEndpointToPause=[endpoint("InService"), gives(Endpoints=[])],
        ),
        {"start": "settle"},
    ),
    Scenario(
        "settle-held",
        "training",
        "SUCCEEDED",
        lambda arn: {"Lock": [TAKEN, gives()], "ReadLock": HELD, "DescribeHolder": [gives(Status="RUNNING")]},
        {"start": "settle"},
    ),
    Scenario("settle-never-trained", "training", "SUCCEEDED", start={"start": "settle"}),
    Scenario("rollback-ringing", "training", "SUCCEEDED", _back(ReadGuardAlarms=_RINGING), _BACK),
    Scenario(
        "promote-ringing",
        "training",
        "GuardAlarmError",  # which a way back is not stopped by
        _back(ReadGuardAlarms=_RINGING),
        {**_BACK, "reason": "promote"},
    ),
    Scenario(
        "pause",
        "training",
        "SUCCEEDED",
        _champion(FindEndpointToPause=[endpoint("Updating"), endpoint("InService"), gives(Endpoints=[])]),
        {"start": "pause"},
    ),
    Scenario("pause-never-trained", "training", "NoChampionError", start={"start": "pause"}),
    Scenario("paused", "training", "PausedError", _paused()),
    Scenario("resume", "training", "SUCCEEDED", _paused(), {"start": "resume"}),
    Scenario(
        "resume-again",
        "training",
        "SUCCEEDED",
        _paused(FindEndpoint=[endpoint("InService")]),
        {"start": "resume"},
    ),
    Scenario("rollback-paused", "training", "SUCCEEDED", _paused(**_ARRIVES), _BACK),
    Scenario(
        "rollback-paused-fails",
        "training",
        "SmokeTestError",
        _paused(**_ARRIVES, SmokeTest=[_REFUSED]),
        _BACK,
    ),
    Scenario("live-check-paused", "training", "PausedError", _paused(), {**_BACK, "reason": "live-check"}),
    Scenario(
        "resume-fails", "training", "SmokeTestError", _paused(SmokeTest=[_REFUSED]), {"start": "resume"}
    ),
)
