"""What runs now and what it costs, by the price table of this project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_src.naming import made, search_prefix
from scones.target import Target
from stacks import prices

DAY = timedelta(days=1)
LEAST_HOURS = 1.0
LEAST_INVOCATIONS = 100
"""What a price of 1,000 images is told from: of fewer, the smoke test's few requests are too large a part."""
RESOURCES = {
    "Training": ("ResourceConfig",),
    "Processing": ("ProcessingResources", "ClusterConfig"),
    "Transform": ("TransformResources",),
}
"""Where the description of a job says what it runs on."""


def cost(target: Target) -> dict[str, Any]:
    """Return what runs with its price per hour, and the price of 1,000 images since the endpoint was made, or a day.

    Raises
    ------
    NotDeployedError
        When nothing runs and the classifier has no stack: what is left of a destroyed deployment is still told.
    """
    endpoint, incoming = _endpoint(target)
    running = [*endpoint, *incoming, *_jobs(target)]
    # The data stack is all classifiers'.
    own = target.stacks[1:]
    if not running and not any(map(target.describe, own)):
        raise target.lacks(own[0])
    known = [each["dollars_per_hour"] for each in running if each["dollars_per_hour"] is not None]
    return {
        "running": running,
        "dollars_per_hour": round(sum(known), 4),
        "unpriced": sorted({e["instance_type"] for e in running if e["dollars_per_hour"] is None}),
        "invocations_last_day": (
            count := sum(
                _invocations(target, each["variant"], _since(endpoint))
                for each in endpoint
                if each["what"] != "shadow"
            )
        ),
        "thousand_images": _per_thousand(endpoint, count),
        "region": prices.REGION,
        "as_of": prices.AS_OF,
        "source": prices.SOURCE,
    }


def _row(what: str, instance_type: str, count: int) -> dict[str, Any]:
    price = prices.HOURLY.get(instance_type)
    return {
        "what": what,
        "instance_type": instance_type,
        "count": count,
        "dollars_per_hour": None if price is None else round(price * count, 4),
    }


def _endpoint(target: Target) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what serves, and what an update puts in its place, which runs beside it until the end."""
    sagemaker = target.clients("sagemaker")
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=target.prefix)
    names = [each["EndpointName"] for page in pages for each in page["Endpoints"]]
    if target.prefix not in names:
        return [], []
    shown = sagemaker.describe_endpoint(EndpointName=target.prefix)
    since = shown["CreationTime"].isoformat()
    serving = [
        {
            **_row(what, variant["InstanceType"], now or variant["InitialInstanceCount"]),
            "variant": variant["VariantName"],
            "since": since,
        }
        for what, variant, now in _variants(target, shown)
    ]
    # While it is being made, the fleet that is put in place is the only one.
    pending = shown.get("PendingDeploymentSummary") if shown["EndpointStatus"] != "Creating" else None
    coming = [
        _row(f"{what}, being put in place", variant["InstanceType"], now)
        for what, variant, now in (_variants(target, pending) if pending else ())
        if now
    ]
    return serving, coming


def _variants(target: Target, fleet: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], int | None]]:
    """Yield what each variant of a fleet is, its configuration, and how many instances of it run, if that is told."""
    config = target.clients("sagemaker").describe_endpoint_config(
        EndpointConfigName=fleet["EndpointConfigName"]
    )
    # Absent and null where there is no shadow.
    for what, key in (("endpoint", "ProductionVariants"), ("shadow", "ShadowProductionVariants")):
        counts = {each["VariantName"]: each.get("CurrentInstanceCount") for each in fleet.get(key) or ()}
        for variant in config.get(key) or ():
            yield what, variant, counts.get(variant["VariantName"])


def _jobs(target: Target) -> Iterator[dict[str, Any]]:
    """Yield the jobs of this classifier that run now."""
    sagemaker = target.clients("sagemaker")
    own = made(target.prefix)
    # A search names its trials.
    searched = re.compile(f"{search_prefix(target.prefix)}-.*")
    for kind, begins, names in (
        ("Training", target.prefix, own),
        ("Training", search_prefix(target.prefix), searched),
        ("Processing", target.prefix, own),
        ("Transform", target.prefix, own),
    ):
        word, key = kind.lower(), f"{kind}JobName"
        pages = sagemaker.get_paginator(f"list_{word}_jobs").paginate(
            NameContains=begins, StatusEquals="InProgress"
        )
        for name in [each[key] for page in pages for each in page[f"{kind}JobSummaries"]]:
            if not names.fullmatch(name):
                continue
            given = getattr(sagemaker, f"describe_{word}_job")(**{key: name})
            for part in RESOURCES[kind]:
                given = given[part]
            yield _row(f"{word} job {name}", given["InstanceType"], given["InstanceCount"])


def _since(endpoint: list[dict[str, Any]]) -> datetime:
    """Return when the hours begin that are counted: before a pause there was another endpoint."""
    created = min(datetime.fromisoformat(each["since"]) for each in endpoint)
    return max(created, datetime.now(UTC) - DAY)


def _invocations(target: Target, variant: str, since: datetime) -> int:
    found = target.clients("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": target.prefix},
            {"Name": "VariantName", "Value": variant},
        ],
        StartTime=since,
        EndTime=datetime.now(UTC),
        Period=300,
        Statistics=["Sum"],
    )
    return int(sum(each["Sum"] for each in found["Datapoints"]))


def _per_thousand(endpoint: list[dict[str, Any]], invocations: int) -> str:
    """Say what 1,000 images cost: the endpoint's hours, of the last day, shared by what it was asked in them.

    As many instances are counted for all of these hours as run now: SageMaker keeps no record of how many there were.
    """
    if not endpoint:
        return "The endpoint does not run."
    if not invocations:
        return "No image was sent to the endpoint in the last 24 hours."
    if any(each["dollars_per_hour"] is None for each in endpoint):
        return f"No price is known; {invocations} invocations in the last 24 hours."
    hours = (datetime.now(UTC) - _since(endpoint)).total_seconds() / 3600
    if hours < LEAST_HOURS or invocations < LEAST_INVOCATIONS:
        since = f"{hours:.1f} hours" if hours >= LEAST_HOURS else f"{hours * 60:.0f} minutes"
        return (
            f"Too early to tell: {invocations} invocations in the last {since}, the smoke test's among them. Ask again "
            f"after {LEAST_HOURS:.0f} hour and {LEAST_INVOCATIONS} invocations."
        )
    dollars = hours * sum(each["dollars_per_hour"] for each in endpoint) / invocations * 1000
    instances = sum(each["count"] for each in endpoint)
    number = f"{instances} instance" if instances == 1 else f"{instances} instances"
    return f"${dollars:.2f} at {number} as now, by {invocations} invocations in the last {hours:.1f} hours"
