"""Endpoints: one container a variant, created, updated blue/green, rolled back on alarms, deleted.

A variant of several instances is one process here: the machine is one.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.containers import ray_serve
from localcloud.sagemaker import jobs
from localcloud.sagemaker.errors import JobFailedError, ValidationError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.metrics import METRICS
from localcloud.sagemaker.storage import client
from localcloud.sagemaker.store import ACCOUNT, KINDS, STORE, Record

logger = logging.getLogger(__name__)

CONFIG, ENDPOINT, MODEL = KINDS["EndpointConfig"], KINDS["Endpoint"], KINDS["Model"]
TIME_SCALE = float(os.environ.get("LOCALCLOUD_TIME_SCALE", "1"))
"""What bake times and canary intervals are multiplied by."""


@dataclass(frozen=True)
class Fleet:
    """The containers of one endpoint configuration."""

    config: str
    variant: str
    container: ray_serve.Container
    log: LogStream
    folder: Path

    def stop(self) -> None:
        """End the fleet."""
        self.container.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _create_config(request: dict[str, Any]) -> dict[str, Any]:
    for variant in request["ProductionVariants"]:
        if "ModelName" in variant:
            STORE.get(MODEL, variant["ModelName"])
    return {CONFIG.arn: STORE.add(CONFIG, request).arn}


def _delete_config(request: dict[str, Any]) -> None:
    STORE.remove(STORE.get(CONFIG, request[CONFIG.key]))


def _variants(config: Record) -> list[dict[str, Any]]:
    return [
        {
            "VariantName": variant["VariantName"],
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
            "CurrentInstanceCount": variant.get("InitialInstanceCount", 1),
            "DesiredInstanceCount": variant.get("InitialInstanceCount", 1),
        }
        for variant in config.shown["ProductionVariants"]
    ]


def _create(request: dict[str, Any]) -> dict[str, Any]:
    config = STORE.get(CONFIG, request[CONFIG.key])
    record = STORE.add(ENDPOINT, request, EndpointStatus="Creating", ProductionVariants=_variants(config))
    _in_thread(record, config, None)
    return {ENDPOINT.arn: record.arn}


def _update(request: dict[str, Any]) -> dict[str, Any]:
    record, config = STORE.get(ENDPOINT, request[ENDPOINT.key]), STORE.get(CONFIG, request[CONFIG.key])
    if record.shown["EndpointStatus"] not in ("InService", "Failed"):
        raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
    deployment = request.get("DeploymentConfig") or {}
    record.update(EndpointStatus="Updating", LastDeploymentConfig=deployment or None)
    record.shown.pop("FailureReason", None)
    _in_thread(record, config, deployment)
    return {ENDPOINT.arn: record.arn}


def _delete(request: dict[str, Any]) -> None:
    record = STORE.get(ENDPOINT, request[ENDPOINT.key])
    if record.shown["EndpointStatus"] in ("Creating", "Updating", "RollingBack"):
        raise ValidationError(f'Cannot delete in-progress endpoint "{record.arn}".')
    record.update(EndpointStatus="Deleting")

    def deleting() -> None:
        for fleet in record.private.pop("fleets", []):
            fleet.stop()
        STORE.remove(record)

    threading.Thread(target=deleting, daemon=True).start()


def _in_thread(record: Record, config: Record, deployment: dict[str, Any] | None) -> None:
    def deploying() -> None:
        try:
            _deploy(record, config, deployment or {})
            record.update(EndpointStatus="InService")
        except (JobFailedError, jobs.JobStoppedError, ValidationError) as error:
            serving = bool(record.private.get("fleets"))
            status = "InService" if serving else "Failed"
            record.update(EndpointStatus=status, FailureReason=str(error)[:1024])
        except Exception as error:
            logger.exception("endpoint %s failed", record.name)
            record.update(EndpointStatus="Failed", FailureReason=f"InternalServerError: {error}"[:1024])

    threading.Thread(target=deploying, name=record.name, daemon=True).start()


def _launch(record: Record, config: Record) -> Fleet:
    variant = config.shown["ProductionVariants"][0]
    log = LogStream(f"/aws/sagemaker/Endpoints/{record.name}", f"{variant['VariantName']}/{config.name}")
    folder = jobs.scratch("ep")
    try:
        model = STORE.get(MODEL, variant["ModelName"])
        container = ray_serve.start(model.shown, {}, folder, log, record.stop)
    except BaseException:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Fleet(config.name, variant["VariantName"], container, log, folder)


def _deploy(record: Record, config: Record, deployment: dict[str, Any]) -> None:
    """Start the new fleet, move the traffic, watch the alarms, then end the old fleet, or the new one."""
    green = _launch(record, config)
    blue: list[Fleet] = record.private.get("fleets", [])
    policy = deployment.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    alarms = [a["AlarmName"] for a in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    if blue and routing.get("Type") in ("CANARY", "LINEAR"):
        share = routing.get("CanarySize", routing.get("LinearStepSize", {"Value": 10}))["Value"] / 100
        record.private.update(fleets=[*blue, green], canary=share)
        rang = _ringing(alarms, routing.get("WaitIntervalInSeconds", 0))
        record.private.pop("canary")
        if rang:
            _roll_back(record, blue, green, rang)
    record.private["fleets"] = [green]
    if blue:
        rang = _ringing(alarms, policy.get("TerminationWaitInSeconds", 0))
        if rang:
            _roll_back(record, blue, green, rang)
        for fleet in blue:
            fleet.stop()
    record.update(EndpointConfigName=config.name, ProductionVariants=_variants(config))


def _ringing(alarms: list[str], seconds: float) -> str:
    """Watch alarms for a while and return the first that rings, or nothing."""
    deadline = time.monotonic() + seconds * TIME_SCALE
    while True:
        if alarms:
            found = client("cloudwatch").describe_alarms(AlarmNames=alarms, StateValue="ALARM")[
                "MetricAlarms"
            ]
            if found:
                return str(found[0]["AlarmName"])
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return ""
        time.sleep(min(1.0, remaining))


def _roll_back(record: Record, blue: list[Fleet], green: Fleet, alarm: str) -> None:
    record.update(EndpointStatus="RollingBack")
    record.private["fleets"] = blue
    green.stop()
    raise JobFailedError(
        f"One or more alarms went off during the deployment, which was rolled back: {alarm}."
    )


def invoke(name: str, body: bytes, headers: dict[str, str]) -> tuple[ray_serve.Answer, str]:
    """Send an invocation to a fleet of the endpoint, by the traffic that it has.

    Raises
    ------
    ValidationError
        When the endpoint does not exist or does not serve yet.
    """
    try:
        record = STORE.get(ENDPOINT, name)
    except ValidationError as error:
        raise ValidationError(f"Endpoint {name} of account {ACCOUNT} not found.") from error
    fleets: list[Fleet] = record.private.get("fleets", [])
    if not fleets:
        raise ValidationError(f"Endpoint {name} of account has no production variant in service.")
    canary: float = record.private.get("canary", 0.0)
    fleet = fleets[-1] if len(fleets) == 1 or random.random() < canary else fleets[0]  # noqa: S311
    started = time.monotonic()
    answer = fleet.container.invoke(body, headers)
    METRICS.invocation(name, fleet.variant, answer.status, time.monotonic() - started)
    return answer, fleet.variant


OPERATIONS = {
    "CreateEndpointConfig": _create_config,
    "DeleteEndpointConfig": _delete_config,
    "CreateEndpoint": _create,
    "UpdateEndpoint": _update,
    "DeleteEndpoint": _delete,
}
