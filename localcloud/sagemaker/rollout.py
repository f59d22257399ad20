"""Moves an endpoint from one fleet to another: blue/green, watched by alarms, rolled back when one rings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud import access
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.fleets import PRODUCTION, SHADOW, Fleet, launch
from localcloud.sagemaker.jobs import PRINCIPAL
from localcloud.sagemaker.pace import TIME_SCALE
from localcloud.sagemaker.store import ACCOUNT, KINDS, REGION, STORE, Record, now

WATCH_SECONDS = 1.0


def deploy(record: Record, config: Record, deployment: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Start the new fleet, move the traffic by the policy, watch the alarms, then end the old fleet.

    `wanted` is what the endpoint will show: its variants and its data capture.

    Raises
    ------
    JobFailedError
        When the new fleet cannot start or an alarm rang; the old fleet has all the traffic then.
    """
    coming = {kind: wanted[kind] for kind in (PRODUCTION, SHADOW) if wanted[kind]}
    pending = {"EndpointConfigName": config.name, **coming, "StartTime": now()}
    record.update(PendingDeploymentSummary=pending)
    try:
        green = launch(record, config)
        blue: Fleet | None = record.private.get("fleet")
        try:
            if blue is not None:
                _shift(record, config, blue, green, deployment)
        except BaseException:
            record.private.pop("shift", None)
            green.stop()
            raise
        # In this order, so that no invocation finds the old fleet in between.
        record.private["fleet"] = green
        record.private.pop("shift", None)
        if blue is not None:
            blue.stop()
    finally:
        record.shown.pop("PendingDeploymentSummary", None)
    record.update(EndpointConfigName=config.name, **wanted)


def _shift(record: Record, config: Record, blue: Fleet, green: Fleet, deployment: Mapping[str, Any]) -> None:
    policy = deployment.get("BlueGreenUpdatePolicy", {})
    alarms = [
        alarm["AlarmName"] for alarm in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    ]
    if alarms:
        _may_watch(record, config)
    for share, seconds in steps(policy, green.instances):
        record.private["shift"] = (green, share)
        rang = _ringing(alarms, seconds)
        if rang:
            record.update(EndpointStatus="RollingBack")
            raise JobFailedError(f"The deployment was rolled back to {blue.config}: alarm {rang} went off.")


def _may_watch(record: Record, config: Record) -> None:
    """Ask the models' roles for what SageMaker watches alarms with.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
    """
    for variant in config.shown[PRODUCTION]:
        role = STORE.get(KINDS["Model"], variant["ModelName"]).shown["ExecutionRoleArn"]
        try:
            with access.acting(role, PRINCIPAL, record.arn):
                access.demand("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*")
        except access.AccessDeniedError as error:
            raise JobFailedError(f"The alarms of the deployment cannot be watched: {error}") from error


def steps(policy: Mapping[str, Any], instances: int) -> Iterator[tuple[float, float]]:
    """Yield the new fleet's shares of the traffic, each with the seconds that it is watched.

    Parameters
    ----------
    policy
        `BlueGreenUpdatePolicy`; without one, all traffic moves at once.
    instances
        Of the new fleet.
    """
    routing = policy.get("TrafficRoutingConfiguration", {})
    wait = float(routing.get("WaitIntervalInSeconds", 0))
    size = routing.get("CanarySize") or routing.get("LinearStepSize")
    step = 1.0
    if size and routing.get("Type") in ("CANARY", "LINEAR"):
        whole = 100 if size["Type"] == "CAPACITY_PERCENT" else instances
        step = min(1.0, size["Value"] / whole)
        share = step
        while share < 1.0 - 1e-9:
            yield share, wait
            share = 1.0 if routing["Type"] == "CANARY" else share + step
    last = float(policy.get("TerminationWaitInSeconds", 0))
    yield 1.0, max(wait, last) if step == 1.0 else last


def _ringing(alarms: list[str], seconds: float) -> str:
    """Watch alarms for a while and return the first that rings, or nothing."""
    deadline = time.monotonic() + seconds * TIME_SCALE
    while True:
        if alarms:
            answer = access.client("cloudwatch").describe_alarms(AlarmNames=alarms, StateValue="ALARM")
            found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
            if found:
                return str(found[0]["AlarmName"])
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return ""
        time.sleep(min(WATCH_SECONDS, remaining))
