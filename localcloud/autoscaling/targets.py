"""Scalable targets with their policies and scheduled actions, in memory: variants of endpoints, and nothing else."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from localcloud.sagemaker.errors import SageMakerError, ValidationError
from localcloud.sagemaker.store import ACCOUNT, KINDS, REGION, STORE, Record, now

NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
METRICS = "SageMakerVariant"
"""What the names of predefined metrics of variants begin with."""
CRON = re.compile(r"cron\((\S+ ){5}\S+\)")
Request = dict[str, Any]


@dataclass
class Target:
    """One scalable target, as Describe shows it, with what belongs to it."""

    shown: dict[str, Any]
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)


class ObjectNotFoundError(SageMakerError):
    """There is no such target, policy or action."""

    def __init__(self, message: str) -> None:
        super().__init__("ObjectNotFoundException", message)


_targets: dict[str, Target] = {}
_lock = threading.RLock()


def arn(resource_id: str) -> str:
    """Return a target's ARN, whose id is not made of the resource's name."""
    digest = hashlib.sha256(resource_id.encode()).hexdigest()[:34]
    return f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/{digest}"


def of_endpoint(name: str) -> dict[str, Target]:
    """Return an endpoint's targets by variant."""
    with _lock:
        found = {_split(resource_id): target for resource_id, target in _targets.items()}
    return {variant: target for (endpoint, variant), target in found.items() if endpoint == name}


def _split(resource_id: str) -> tuple[str, str]:
    found = re.fullmatch(r"endpoint/([^/]+)/variant/([^/]+)", resource_id)
    if found is None:
        raise ValidationError(f"Unsupported resource ID for service namespace sagemaker: {resource_id}")
    return found[1], found[2]


def _ours(request: Request) -> None:
    given = request.get("ServiceNamespace"), request.get("ScalableDimension", DIMENSION)
    if given != (NAMESPACE, DIMENSION):
        raise ValidationError(f"The local Application Auto Scaling scales {DIMENSION} of {NAMESPACE} only.")


def _get(request: Request) -> Target:
    _ours(request)
    with _lock:
        target = _targets.get(request["ResourceId"])
    if target is None:
        raise ObjectNotFoundError(
            f"No scalable target registered for service namespace: {NAMESPACE}, resource ID: "
            f"{request['ResourceId']}, scalable dimension: {DIMENSION}"
        )
    return target


def register(request: Request) -> dict[str, Any]:
    """Register a variant of an endpoint, or change the bounds of one that is."""
    _ours(request)
    record, variant = _variant(request["ResourceId"])
    with _lock:
        known = _targets.get(request["ResourceId"])
        shown = {**(known.shown if known else {"CreationTime": now()}), **request}
        shown["ScalableTargetARN"] = arn(request["ResourceId"])
        if "MinCapacity" not in shown or "MaxCapacity" not in shown:
            raise ValidationError(
                "MinCapacity and MaxCapacity are required to register a new scalable target"
            )
        if not 0 <= shown["MinCapacity"] <= shown["MaxCapacity"]:
            raise ValidationError("Maximum capacity cannot be less than minimum capacity")
        _targets[request["ResourceId"]] = Target(
            shown, *((known.policies, known.actions) if known else ({}, {}))
        )
    if record.shown["EndpointStatus"] == "InService":
        count = min(max(variant["CurrentInstanceCount"], shown["MinCapacity"]), shown["MaxCapacity"])
        variant.update(CurrentInstanceCount=count, DesiredInstanceCount=count)
    return {"ScalableTargetARN": shown["ScalableTargetARN"]}


def _variant(resource_id: str) -> tuple[Record, dict[str, Any]]:
    endpoint, name = _split(resource_id)
    record = STORE.get(KINDS["Endpoint"], endpoint)
    for variant in record.shown["ProductionVariants"]:
        if variant["VariantName"] == name:
            return record, variant
    raise ValidationError(f"The endpoint {record.arn} has no variant {name}.")


def deregister(request: Request) -> dict[str, Any]:
    """Forget a target, with its policies and actions."""
    _get(request)
    with _lock:
        _targets.pop(request["ResourceId"], None)
    return {}


def describe_targets(request: Request) -> dict[str, Any]:
    """List targets."""
    wanted = request.get("ResourceIds")
    return {
        "ScalableTargets": [
            target.shown for name, target in sorted(_targets.items()) if not wanted or name in wanted
        ]
    }


def put_policy(request: Request) -> dict[str, Any]:
    """Give a target a policy of target tracking."""
    target, config = _get(request), request.get("TargetTrackingScalingPolicyConfiguration")
    if request.get("PolicyType") != "TargetTrackingScaling" or config is None:
        raise ValidationError(
            "The local Application Auto Scaling tracks targets only: give the PolicyType TargetTrackingScaling "
            "and its configuration."
        )
    metrics = [
        name for name in ("PredefinedMetricSpecification", "CustomizedMetricSpecification") if name in config
    ]
    if len(metrics) != 1:
        raise ValidationError("Exactly one of predefined and customized metric specification is required")
    kind = config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", METRICS)
    if not kind.startswith(METRICS):
        raise ValidationError(f"The predefined metric {kind} is not one of {DIMENSION}")
    name = request["PolicyName"]
    policy = f"{arn(request['ResourceId']).replace('scalable-target/', 'scalingPolicy:')}:policyName/{name}"
    target.policies[name] = {**request, "PolicyARN": policy, "CreationTime": now(), "Alarms": []}
    return target.policies[name]


def put_action(request: Request) -> dict[str, Any]:
    """Give a target a scheduled action."""
    target, name = _get(request), request["ScheduledActionName"]
    schedule, wanted = request.get("Schedule", ""), request.get("ScalableTargetAction")
    if not schedule.startswith(("at(", "rate(")) and not CRON.fullmatch(schedule):
        raise ValidationError(f"Invalid schedule expression: {schedule!r}")
    if not wanted:
        raise ValidationError("A scheduled action needs a minimum capacity, a maximum capacity or both")
    try:
        ZoneInfo(request.get("Timezone", "UTC"))
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"Invalid time zone: {request['Timezone']}") from error
    made = f"{arn(request['ResourceId']).replace('scalable-target/', 'scheduledAction:')}:scheduledActionName/{name}"
    target.actions[name] = {**request, "ScheduledActionARN": made, "CreationTime": now()}
    return {}


def delete_policy(request: Request) -> dict[str, Any]:
    """Take a policy away."""
    return _remove(_get(request).policies, request["PolicyName"], "scaling policy")


def delete_action(request: Request) -> dict[str, Any]:
    """Take a scheduled action away."""
    return _remove(_get(request).actions, request["ScheduledActionName"], "scheduled action")


def _remove(kept: dict[str, dict[str, Any]], name: str, word: str) -> dict[str, Any]:
    if kept.pop(name, None) is None:
        raise ObjectNotFoundError(f"No {word} found: {name}")
    return {}


def describe_policies(request: Request) -> dict[str, Any]:
    """List policies."""
    return {"ScalingPolicies": _listed(request, (each.policies for each in _targets.values()))}


def describe_actions(request: Request) -> dict[str, Any]:
    """List scheduled actions."""
    return {"ScheduledActions": _listed(request, (each.actions for each in _targets.values()))}


def _listed(request: Request, kept: Iterable[dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    wanted = request.get("ResourceId")
    with _lock:
        every = [each for some in kept for each in some.values()]
    return [each for each in every if wanted in (None, each["ResourceId"])]
