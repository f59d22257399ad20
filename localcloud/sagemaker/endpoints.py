"""Endpoints and their configurations: created, updated, invoked, deleted."""

from __future__ import annotations

import logging
import random
import threading
from typing import Any

from localcloud.access import AccessDeniedError
from localcloud.autoscaling import targets
from localcloud.containers.container import Answer
from localcloud.sagemaker import jobs, rules
from localcloud.sagemaker.errors import JobFailedError, ValidationError
from localcloud.sagemaker.fleets import PRODUCTION, SHADOW, Fleet, described
from localcloud.sagemaker.rollout import deploy
from localcloud.sagemaker.store import ACCOUNT, KINDS, STORE, Record

logger = logging.getLogger(__name__)

CONFIG, ENDPOINT, MODEL = KINDS["EndpointConfig"], KINDS["Endpoint"], KINDS["Model"]
CHANGING = ("Creating", "Updating", "RollingBack")


def _create_config(request: dict[str, Any]) -> dict[str, Any]:
    rules.endpoint_config(request)
    for variant in (*request[PRODUCTION], *request.get(SHADOW, ())):
        STORE.get(MODEL, variant["ModelName"])
    return {CONFIG.arn: STORE.add(CONFIG, request).arn}


def _delete_config(request: dict[str, Any]) -> None:
    STORE.remove(STORE.get(CONFIG, request[CONFIG.key]))


def _create(request: dict[str, Any]) -> dict[str, Any]:
    config = STORE.get(CONFIG, request[CONFIG.key])
    record = STORE.add(ENDPOINT, request, EndpointStatus="Creating", **described(config))
    _in_thread(record, config, {}, described(config))
    return {ENDPOINT.arn: record.arn}


def _update(request: dict[str, Any]) -> dict[str, Any]:
    record, config = STORE.get(ENDPOINT, request[ENDPOINT.key]), STORE.get(CONFIG, request[CONFIG.key])
    deployment = request.get("DeploymentConfig") or {}
    keep = request.get("RetainAllVariantProperties", False)
    wanted = described(config, record.shown if keep else None)
    rules.deployment(deployment, min(each["CurrentInstanceCount"] for each in wanted[PRODUCTION]))
    _scales_still(record, config)
    with record.lock:
        if record.shown["EndpointStatus"] not in ("InService", "Failed"):
            raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
        record.update(EndpointStatus="Updating", LastDeploymentConfig=deployment or None)
        record.shown.pop("FailureReason", None)
    _in_thread(record, config, deployment, wanted)
    return {ENDPOINT.arn: record.arn}


def _scales_still(record: Record, config: Record) -> None:
    """Refuse an update that changes the instance type of a variant which is a scalable target.

    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
    """
    scaled = targets.of_endpoint(record.name)
    if not scaled:
        return
    before = STORE.get(CONFIG, record.shown[CONFIG.key])
    old, new = (
        {each["VariantName"]: each.get("InstanceType") for each in some.shown[PRODUCTION]}
        for some in (before, config)
    )
    for variant in scaled:
        if old.get(variant) != new.get(variant):
            raise ValidationError(
                f"The variant {variant} of {record.arn} is registered with Application Auto Scaling: deregister "
                "it before its instance type is changed."
            )


def _delete(request: dict[str, Any]) -> None:
    record = STORE.get(ENDPOINT, request[ENDPOINT.key])
    with record.lock:
        if record.shown["EndpointStatus"] in CHANGING:
            raise ValidationError(f'Cannot delete in-progress endpoint "{record.arn}".')
        record.update(EndpointStatus="Deleting")
    threading.Thread(target=end, args=(record,), daemon=True).start()


def end(record: Record) -> None:
    """End an endpoint's containers and forget it."""
    record.stop.set()
    for fleet in (record.private.pop("shift", (None,))[0], record.private.pop("fleet", None)):
        if fleet is not None:
            fleet.stop()
    STORE.remove(record)


def _in_thread(record: Record, config: Record, deployment: dict[str, Any], wanted: dict[str, Any]) -> None:
    def deploying() -> None:
        try:
            deploy(record, config, deployment, wanted)
            record.update(EndpointStatus="InService")
        except (JobFailedError, jobs.JobStoppedError, ValidationError, AccessDeniedError) as error:
            _fail(record, str(error))
        except Exception as error:
            logger.exception("endpoint %s failed", record.name)
            _fail(record, f"InternalServerError: {error}")

    threading.Thread(target=deploying, name=record.name, daemon=True).start()


def _fail(record: Record, reason: str) -> None:
    """Say why a deployment failed; an endpoint that still has its old fleet stays in service."""
    status = "InService" if record.private.get("fleet") else "Failed"
    record.update(EndpointStatus=status, FailureReason=reason[:1024])


def invoke(name: str, body: bytes, headers: dict[str, str]) -> tuple[Answer, str]:
    """Send an invocation to a fleet of the endpoint, by the traffic that it has, and name the variant.

    Raises
    ------
    ValidationError
        When the endpoint does not exist or does not serve yet.
    """
    try:
        record = STORE.get(ENDPOINT, name)
    except ValidationError as error:
        raise ValidationError(f"Endpoint {name} of account {ACCOUNT} not found.") from error
    shifted: tuple[Fleet, float] | None = record.private.get("shift")
    fleet: Fleet | None = record.private.get("fleet")
    if shifted is not None and random.random() < shifted[1]:  # noqa: S311
        fleet = shifted[0]
    if fleet is None:
        raise ValidationError(f"Endpoint {name} of account {ACCOUNT} has no variant in service.")
    return fleet.invoke(body, headers)


OPERATIONS = {
    "CreateEndpointConfig": _create_config,
    "DeleteEndpointConfig": _delete_config,
    "CreateEndpoint": _create,
    "UpdateEndpoint": _update,
    "DeleteEndpoint": _delete,
}
