"""Whether every region that a template takes has its images and its instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aws_cdk.region_info import RegionInfo

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import Demand, demands, images
from stacks.checks.rendering import Place, RenderingError
from stacks.checks.result import Result
from stacks.regions import AS_OF, LACKING, OFFERED, REGISTRIES

OUTSIDE = "nowhere-1"
"""A region that no table has: a template that takes it would take anything."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Render every environment for every region, and compare what it names there with the tables."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        wanted = demands(assembly)
        findings += _unknown(assembly, wanted)
        for region in (*REGISTRIES, OUTSIDE):
            count += 1
            findings += _in_region(assembly, wanted, region)
    findings += _facts()
    return Result("regions", "environment x region: images and instances", count, tuple(findings))


def _unknown(assembly: Assembly, wanted: Sequence[Demand]) -> Iterator[str]:
    for instance_type in sorted({each.instance_type for each in wanted} - set(OFFERED)):
        yield f"{assembly.env}: stacks/regions.py does not say where {instance_type} is offered: add it"


def _in_region(assembly: Assembly, wanted: Sequence[Demand], region: str) -> Iterator[str]:
    missing = [
        f"{each.instance_type} for a {each.use}"
        for each in wanted
        if region not in OFFERED.get(each.instance_type, REGISTRIES)
    ]
    if region in LACKING:
        missing.append(f"{LACKING[region]} in CloudFormation")
    place = Place(region)
    try:
        named = images(assembly, place)
    except RenderingError:
        if region in REGISTRIES and not missing:
            yield f"{assembly.env} refuses {region}, which has all that it needs"
        return
    if region not in REGISTRIES:
        yield f"{assembly.env} takes the unknown region {region}"
        return
    for lack in missing:
        yield f"{assembly.env} takes {region}, which as of {AS_OF} has no {lack}"
    for image in named:
        if image.account != REGISTRIES[region]:
            yield f"{assembly.env} looks for {image.repository} in account {image.account} in {region}"
        if (image.region, image.suffix) != (region, place.suffix):
            yield f"{assembly.env} looks for {image.repository} at {image.region}.{image.suffix} from {region}"


def _facts() -> Iterator[str]:
    """Hold the table to what CDK knows; where CDK knows nothing there is nothing to compare."""
    for region, account in REGISTRIES.items():
        known = RegionInfo.get(region).dlc_repository_account
        if known not in (None, account):
            yield f"CDK has {known} as the registry of {region}, and stacks/regions.py has {account}"
