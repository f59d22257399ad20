"""The endpoint's variants are named alike everywhere, and its alarms can ring while a rollout bakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines

SERVING, SHADOWS = "ProductionVariants", "ShadowProductionVariants"
ENDPOINT = "sagemaker"
"""The namespace of Application Auto Scaling."""
_SCALED = re.compile(r"endpoint/[^/]+/variant/([^/]+)")
"""https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html"""


def of_assembly(assembly: Assembly) -> Iterator[str]:
    """Say where a name is no variant's, and which alarm rings too late for its rollout."""
    known = [*machines(assembly, REFERENCE)]
    calls = [(machine, *call) for machine in known for call in machine.calls()]
    configured = [given for _, _, action, given in calls if action == "createEndpointConfig"]
    serving = {name for given in configured for name in _names(given, SERVING)}
    names = serving | {name for given in configured for name in _names(given, SHADOWS)}
    for machine, name, action, given in calls:
        where, scaled = f"{machine.stack} {name}", str(given.get("ResourceId"))
        found = _SCALED.fullmatch(scaled)
        if given.get("ServiceNamespace") == ENDPOINT and not (found and (found[1] in names or not names)):
            yield f"{where}: {scaled} is no variant of an endpoint"
        if action == "createEndpointConfig" and _names(given, SERVING) != serving:
            yield f"{where}: an endpoint keeps its variants, and the configurations have {', '.join(sorted(serving))}"
        if action == "updateEndpoint":
            yield from (f"{where}: {each}" for each in _of_bake(assembly, machine, given))
    for stack, name, alarm in assembly.resources("AWS::CloudWatch::Alarm"):
        for dimension in alarm["Properties"].get("Dimensions", []):
            if dimension["Name"] == "VariantName" and names and dimension["Value"] not in names:
                yield f"{stack} {name}: no endpoint configuration has a variant {dimension['Value']!r}"


def _names(given: Mapping[str, Any], kind: str) -> set[str]:
    return {str(variant.get("VariantName")) for variant in given.get(kind, [])}


def _of_bake(assembly: Assembly, machine: Machine, given: Mapping[str, Any]) -> Iterator[str]:
    """Say which alarm needs longer to ring than SageMaker looks at it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
    """
    config = given.get("DeploymentConfig", {})
    traffic = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    bake = traffic.get("WaitIntervalInSeconds")
    resources = assembly.templates[machine.stack]["Resources"]
    for each in config.get("AutoRollbackConfiguration", {}).get("Alarms", []):
        alarm = resources.get(str(each.get("AlarmName")), {}).get("Properties", {})
        takes = alarm.get("Period", 0) * alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods", 0))
        if isinstance(bake, int) and takes > bake:
            yield f"{each['AlarmName']} rings after {takes} s, and the rollout bakes for {bake} s"
