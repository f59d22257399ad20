"""What alarms watch, and whom they tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.deliveries import deliveries, properties_of, resolved
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines
from stacks.workflow.analysis import NAMESPACE, PUBLISHED


@dataclass(frozen=True)
class Metric:
    """
    A metric that AWS publishes.

    Parameters
    ----------
    dimensions
        Exactly these, or the alarm watches something that nobody publishes.
    unit
        The only one that an alarm may name.
    """

    dimensions: frozenset[str]
    unit: str


_ENDPOINT = frozenset({"EndpointName", "VariantName"})
_MACHINE = frozenset({"StateMachineArn"})
_QUEUE = frozenset({"QueueName"})
_OURS = frozenset({"Classifier", "Endpoint"})
METRICS = {
    **{
        ("AWS/SageMaker", name): Metric(_ENDPOINT, "None")
        for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
    },
    ("AWS/SageMaker", "ModelLatency"): Metric(_ENDPOINT, "Microseconds"),
    **{
        ("/aws/sagemaker/Endpoints", name): Metric(_ENDPOINT, "Percent")
        for name in ("CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization")
    },
    **{
        ("AWS/States", name): Metric(_MACHINE, "Count")
        for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
    },
    ("AWS/Lambda", "IteratorAge"): Metric(frozenset({"FunctionName"}), "Milliseconds"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): Metric(_QUEUE, "Seconds"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): Metric(_QUEUE, "Count"),
    **{(NAMESPACE, name): Metric(_OURS, "None") for name in PUBLISHED},
}
"""What is published, by the services (another one is to be added here) and by the analysis:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html,
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html,
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html."""


def of_actions(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    """Say whom an alarm does not tell."""
    own = {"Fn::GetAtt": [name, "Arn"]}
    actions = properties_of(assembly, stack, name).get("AlarmActions", [])
    if not actions:
        yield "it tells nobody"
    for action in actions:
        yield from deliveries(assembly, stack, action, "cloudwatch.amazonaws.com", own)


def of_alarm(assembly: Assembly, stack: str, name: str) -> Iterator[str]:
    """Say why an alarm on one metric never rings, or tells nobody."""
    properties = properties_of(assembly, stack, name)
    yield from of_actions(assembly, stack, name)
    watched = (properties.get("Namespace"), properties.get("MetricName"))
    metric = METRICS.get((str(watched[0]), str(watched[1])))
    if metric is None:
        yield f"nobody publishes {' '.join(map(str, watched))}, as far as this check knows"
        return
    dimensions = {str(each.get("Name")): each.get("Value") for each in properties.get("Dimensions", [])}
    if set(dimensions) != metric.dimensions:
        yield f"{watched[1]} has the dimensions {', '.join(sorted(metric.dimensions))}, no others and no fewer"
        return
    if properties.get("Unit", metric.unit) != metric.unit:
        yield f"{watched[1]} is published as {metric.unit}, never as {properties['Unit']}"
    yield from _watched(assembly, stack, dimensions)


def _watched(assembly: Assembly, stack: str, dimensions: Mapping[str, Any]) -> Iterator[str]:
    """Say whether what an alarm watches is there."""
    served = set(_variants(assembly))
    if "VariantName" in dimensions and (dimensions["EndpointName"], dimensions["VariantName"]) not in served:
        yield f"it watches {dimensions}, and the state machine makes {sorted(served)}"
    if "Endpoint" in dimensions and dimensions["Endpoint"] not in {endpoint for endpoint, _ in served}:
        yield f"it watches {dimensions}, and the state machine makes {sorted(served)}"
    if "Classifier" in dimensions and not str(dimensions["Endpoint"]).endswith(
        f"-{dimensions['Classifier']}"
    ):
        yield f"it watches {dimensions}, and that endpoint is another classifier's"
    for key, kind in (("StateMachineArn", "StepFunctions::StateMachine"), ("QueueName", "SQS::Queue")):
        place, held = resolved(assembly, stack, dimensions.get(key))
        name = held.get("Ref") or held.get("Fn::GetAtt", [""])[0]
        found = assembly.templates[place]["Resources"].get(name, {}).get("Type")
        if key in dimensions and found != f"AWS::{kind}":
            yield f"it watches {json.dumps(dimensions[key])}, which is no {kind}"


def _variants(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Yield endpoint and variant, as the state machines create them."""
    for machine in machines(assembly, REFERENCE):
        endpoints, variants = set(), set()
        for _, action, given in machine.calls():
            if action == "createEndpoint":
                endpoints.add(given.get("EndpointName"))
            if action == "createEndpointConfig":
                variants |= {each.get("VariantName") for each in given.get("ProductionVariants", [])}
        yield from ((str(endpoint), str(variant)) for endpoint in endpoints for variant in variants)
