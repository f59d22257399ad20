"""Traffic moves in the steps of the policy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from localcloud import access
from localcloud.sagemaker import rollout
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.fleets import described
from localcloud.sagemaker.rollout import steps
from localcloud.sagemaker.store import KINDS, Record, Store


def _policy(kind: str, size: tuple[str, int] | None = None, wait: int = 60, last: int = 30) -> dict[str, Any]:
    name = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind, "")
    sized = {name: {"Type": size[0], "Value": size[1]}} if size else {}
    return {
        "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sized},
        "TerminationWaitInSeconds": last,
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, [(1.0, 0.0)]),
        (_policy("ALL_AT_ONCE"), [(1.0, 60.0)]),
        (_policy("CANARY", ("INSTANCE_COUNT", 1)), [(0.25, 60.0), (1.0, 30.0)]),
        (_policy("CANARY", ("CAPACITY_PERCENT", 10)), [(0.1, 60.0), (1.0, 30.0)]),
        (_policy("LINEAR", ("INSTANCE_COUNT", 2)), [(0.5, 60.0), (1.0, 30.0)]),
        (_policy("LINEAR", ("CAPACITY_PERCENT", 40)), [(0.4, 60.0), (0.8, 60.0), (1.0, 30.0)]),
    ],
)
def test_shares_and_waits_follow_the_policy_when_four_instances_are_replaced(
    policy: dict[str, Any], expected: list[tuple[float, float]]
) -> None:
    assert [(round(share, 6), seconds) for share, seconds in steps(policy, 4)] == expected


@dataclass
class FakeFleet:
    config: str
    instances: int = 2
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True


@dataclass
class FakeAlarms:
    """Answers like CloudWatch: nothing rings, an alarm rings, or the call itself fails."""

    ringing: list[str] = field(default_factory=list)
    fault: Exception | None = None
    seen: list[Any] = field(default_factory=list)
    record: Record | None = None
    denied: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def acting(self, role: str, *_: str) -> Iterator[None]:
        self.asked.append((role,))
        yield

    def demand(self, action: str, resource: str) -> None:
        self.asked.append((action, resource))
        if self.denied:
            raise access.AccessDeniedError("no")

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        assert self.record is not None
        self.seen.append(self.record.private["shift"])
        self.pending = self.record.shown["PendingDeploymentSummary"]
        if self.fault is not None:
            raise self.fault
        return {"MetricAlarms": [{"AlarmName": name} for name in self.ringing]}


DEPLOYMENT = {
    "BlueGreenUpdatePolicy": _policy("CANARY", ("INSTANCE_COUNT", 1), wait=0, last=0),
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> FakeAlarms:
    watched = FakeAlarms()
    monkeypatch.setattr(access, "client", lambda _: watched)
    monkeypatch.setattr(access, "acting", watched.acting)
    monkeypatch.setattr(access, "demand", watched.demand)
    monkeypatch.setattr(rollout, "launch", lambda _, config: FakeFleet(config.name))
    return watched


@pytest.fixture
def serving(alarms: FakeAlarms, monkeypatch: pytest.MonkeyPatch) -> tuple[Record, Record, FakeFleet]:
    """Return an endpoint with a fleet, the configuration that replaces it, and the fleet."""
    store, blue = Store(), FakeFleet("one")
    store.add(KINDS["Model"], {"ModelName": "two", "ExecutionRoleArn": "arn:aws:iam::0:role/model"})
    monkeypatch.setattr(rollout, "STORE", store)
    variant = {"VariantName": "AllTraffic", "ModelName": "two", "InitialInstanceCount": 2}
    config = store.add(
        KINDS["EndpointConfig"], {"EndpointConfigName": "two", "ProductionVariants": [variant]}
    )
    endpoint = store.add(KINDS["Endpoint"], {"EndpointName": "e", "EndpointConfigName": "one"})
    endpoint.private["fleet"] = blue
    alarms.record = endpoint
    return endpoint, config, blue


def test_the_new_fleet_has_all_traffic_when_no_alarm_rings(
    alarms: FakeAlarms, serving: tuple[Record, Record, FakeFleet]
) -> None:
    endpoint, config, blue = serving
    rollout.deploy(endpoint, config, DEPLOYMENT, described(config))
    assert [share for _, share in alarms.seen] == [0.5, 1.0]
    assert endpoint.private["fleet"].config == "two"
    assert blue.stopped
    assert endpoint.shown["EndpointConfigName"] == "two"
    assert not {"shift", "PendingDeploymentSummary"} & {*endpoint.private, *endpoint.shown}
    assert alarms.asked[0] == ("arn:aws:iam::0:role/model",)
    assert alarms.asked[1][0] == "cloudwatch:DescribeAlarms"


def test_the_old_fleet_keeps_all_traffic_when_the_models_role_may_not_watch_the_alarms(
    alarms: FakeAlarms, serving: tuple[Record, Record, FakeFleet]
) -> None:
    endpoint, config, blue = serving
    alarms.denied = True
    with pytest.raises(JobFailedError, match="cannot be watched: no"):
        rollout.deploy(endpoint, config, DEPLOYMENT, described(config))
    assert endpoint.private == {"fleet": blue}
    assert not blue.stopped


@pytest.mark.parametrize(
    ("ringing", "fault", "raised"), [(["errors"], None, JobFailedError), ([], OSError("away"), OSError)]
)
def test_the_old_fleet_keeps_all_traffic_when_the_watch_fails(
    alarms: FakeAlarms,
    serving: tuple[Record, Record, FakeFleet],
    ringing: list[str],
    fault: Exception | None,
    raised: type[Exception],
) -> None:
    endpoint, config, blue = serving
    alarms.ringing, alarms.fault = ringing, fault
    with pytest.raises(raised):
        rollout.deploy(endpoint, config, DEPLOYMENT, described(config))
    green, share = alarms.seen[0]
    assert (share, green.stopped, blue.stopped) == (0.5, True, False)
    assert endpoint.private == {"fleet": blue}
    assert endpoint.shown["EndpointConfigName"] == "one"


def test_an_endpoint_shows_its_shadow_until_an_update_drops_it(
    alarms: FakeAlarms, serving: tuple[Record, Record, FakeFleet]
) -> None:
    endpoint, config, _ = serving
    shadowed = Store().add(
        KINDS["EndpointConfig"],
        {
            "EndpointConfigName": "shadowed",
            "ProductionVariants": config.shown["ProductionVariants"],
            "ShadowProductionVariants": [{"VariantName": "Next", "ModelName": "three"}],
            "DataCaptureConfig": {"InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://bucket/a"},
        },
    )
    rollout.deploy(endpoint, shadowed, DEPLOYMENT, described(shadowed))
    expected = {
        "VariantName": "Next",
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 1,
    }
    assert alarms.pending["ShadowProductionVariants"] == [expected]
    assert endpoint.shown["ShadowProductionVariants"] == [expected]
    assert endpoint.shown["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bucket/a",
    }
    rollout.deploy(endpoint, config, DEPLOYMENT, described(config))
    assert "ShadowProductionVariants" not in alarms.pending
    # What is None, no Describe shows.
    assert endpoint.shown["ShadowProductionVariants"] is endpoint.shown["DataCaptureConfig"] is None
