"""What a deployment asks SageMaker for, read from the state machines that will ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.rendering import Machine, Place, machines, strings

REFERENCE = Place("us-east-1")
"""Instances are the same in every region: any will do to read them."""


@dataclass(frozen=True, order=True)
class Demand:
    """
    Instances that run at the same time.

    Parameters
    ----------
    use
        `endpoint`, `training job`, `spot training job`, `processing job` or `transform job`.
    instance_type, count
        Which, and how many at most.
    """

    use: str
    instance_type: str
    count: int

    @property
    def quota(self) -> str:
        """The name of the account's quota for it, as Service Quotas has it."""
        return f"{self.instance_type} for {self.use} usage"


@dataclass(frozen=True, order=True)
class Image:
    """A container image in AWS's registry, in a region whose addresses end so."""

    account: str
    region: str
    suffix: str
    repository: str
    tag: str


def demands(assembly: Assembly) -> list[Demand]:
    """Return what runs at once: the most of each machine's steps, added up over the machines."""
    total: dict[tuple[str, str], int] = {}
    for machine in machines(assembly, REFERENCE):
        most: dict[tuple[str, str], int] = {}
        scaled = 0
        shadowed = _shadows(machine)
        for _, action, given in machine.calls():
            for each in _of(action, given if shadowed else {**given, "ShadowProductionVariants": []}):
                key = (each.use, each.instance_type)
                most[key] = max(most.get(key, 0), each.count)
            scaled = max(scaled, int(given.get("MaxCapacity", -1)) + shadowed)
        # One machine has one endpoint, and what it scales is that one.
        most |= {key: max(count, scaled) for key, count in most.items() if key[0] == "endpoint"}
        for key, count in most.items():
            total[key] = total.get(key, 0) + count
    return sorted(Demand(*key, count) for key, count in total.items())


def images(assembly: Assembly, place: Place) -> list[Image]:
    """Return the images that the machines name in a region.

    Raises
    ------
    stacks.checks.rendering.RenderingError
        When AWS's registry has no account there.
    """
    addresses: set[str] = set()
    for machine in machines(assembly, place):
        for _, state in machine.tasks():
            addresses |= {each for each in strings(state) if ".dkr.ecr." in each}
    found = set()
    for address in addresses:
        registry, _, path = address.partition("/")
        account, _, where = registry.partition(".dkr.ecr.")
        region, _, suffix = where.partition(".")
        repository, _, tag = path.partition(":")
        found.add(Image(account, region, suffix, repository, tag))
    return sorted(found)


def _of(action: str, given: Mapping[str, Any]) -> Iterator[Demand]:
    if action == "createTrainingJob":
        use = "spot training job" if given.get("EnableManagedSpotTraining") else "training job"
        yield _demand(use, given["ResourceConfig"], "InstanceCount")
    elif action == "createHyperParameterTuningJob":
        definition = given["TrainingJobDefinition"]
        use = "spot training job" if definition.get("EnableManagedSpotTraining") else "training job"
        each = _demand(use, definition["ResourceConfig"], "InstanceCount")
        at_once = given["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
        yield Demand(each.use, each.instance_type, each.count * int(at_once))
    elif action == "createProcessingJob":
        yield _demand("processing job", given["ProcessingResources"]["ClusterConfig"], "InstanceCount")
    elif action == "createTransformJob":
        yield _demand("transform job", given["TransformResources"], "InstanceCount")
    elif action == "createEndpointConfig":
        variants = [*given["ProductionVariants"], *given.get("ShadowProductionVariants", [])]
        counts = Counter[str]()
        for variant in variants:
            counts[variant["InstanceType"]] += int(variant["InitialInstanceCount"])
        yield from (Demand("endpoint", kind, count) for kind, count in counts.items())


def _shadows(machine: Machine) -> bool:
    """Say whether a machine puts new models into the shadow unless it is told otherwise."""
    usual = dict(machine.states()).get("Begin", {}).get("Assign", {}).get("shadow", "")
    return str(usual).endswith(": true %}")


def _demand(use: str, given: Mapping[str, Any], count: str) -> Demand:
    return Demand(use, given["InstanceType"], int(given[count]))
