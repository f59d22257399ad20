"""Every image is one of AWS's that the project knows, is for the processors it runs on, and may be pulled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks import values
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.permissions import listed, statements
from stacks.checks.rendering import Machine, machines, strings
from stacks.checks.result import Result
from stacks.images import GPU_INFERENCE_AMI, MAPPING, PYTORCH, RAY
from stacks.instances import has_gpu
from stacks.regions import REGISTRIES

HERE = f"{REGISTRIES[REFERENCE.region]}.dkr.ecr.{REFERENCE.region}.{REFERENCE.suffix}"
KNOWN = frozenset((*PYTORCH.values(), *RAY.values()))
REPOSITORIES = frozenset(each.partition(":")[0] for each in KNOWN)
_REPOSITORY = re.compile(r":ecr:[^:]*:[^:]*:repository/(.*)")


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check the images of every state machine, and the repositories of every role."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            said = list(of_machine(machine))
            count += sum(1 for _, state in machine.tasks() for each in strings(state) if ".dkr.ecr." in each)
            findings += [f"{machine.stack} {each}" for each in said]
        for stack, template in assembly.templates.items():
            for region, row in template.get("Mappings", {}).get(MAPPING, {}).items():
                if row.get("account") != REGISTRIES.get(region):
                    findings.append(f"{stack}: the registry of {region} is not {row.get('account')}")
        for stack, name, _ in assembly.resources("AWS::IAM::Role"):
            for statement in statements(assembly, stack, name):
                for each in map(str, listed(statement.get("Resource", []))):
                    found = _REPOSITORY.search(each)
                    if found and found[1] not in REPOSITORIES:
                        findings.append(f"{stack} {name}: no image is in the repository {found[1]}")
    return Result("containers", "images: known, for their processors, pulled", count, tuple(findings))


def of_machine(machine: Machine) -> Iterator[str]:
    """Say which image of a state machine is none, or is for other processors than it runs on."""
    for name, state in machine.tasks():
        for each in strings(state):
            if ".dkr.ecr." in each and _image(each) not in KNOWN:
                yield f"{name}: {_image(each)} is no image that the project knows"
            if ".dkr.ecr." in each and each.partition("/")[0] != HERE:
                yield f"{name}: {each.partition('/')[0]} is not the registry of {REFERENCE.region}, {HERE}"
    known = values.assigned(state for _, state in machine.states())
    calls = list(machine.calls())
    models = {
        name: _image(given.get("PrimaryContainer", {}).get("Image"))
        for _, action, given in calls
        if action == "createModel" and isinstance(name := _named(given.get("ModelName"), known), str)
    }
    for name, action, given in calls:
        for image, instance_type in _runs(action, given, models, known):
            gpu = has_gpu(instance_type)
            if image in KNOWN and image not in (PYTORCH[gpu], RAY[gpu]):
                yield f"{name}: {image} runs on {instance_type}, {'with' if gpu else 'without'} a GPU"
        for variant in _variants(given) if action == "createEndpointConfig" else ():
            ami, gpu = variant.get("InferenceAmiVersion"), has_gpu(str(variant.get("InstanceType")))
            if (ami == GPU_INFERENCE_AMI) is not gpu:
                yield f"{name}: InferenceAmiVersion is {ami!r} on {variant.get('InstanceType')}"


def _runs(
    action: str, given: Mapping[str, Any], models: Mapping[str, str], known: values.Known
) -> Iterator[tuple[str, str]]:
    """Yield each image that a call runs, with the type of the instance."""
    try:
        if action == "createHyperParameterTuningJob":
            action, given = "createTrainingJob", given["TrainingJobDefinition"]
        if action == "createTrainingJob":
            image = given["AlgorithmSpecification"]["TrainingImage"]
            yield _image(image), str(given["ResourceConfig"]["InstanceType"])
        elif action == "createProcessingJob":
            resources = given["ProcessingResources"]["ClusterConfig"]
            yield _image(given["AppSpecification"]["ImageUri"]), str(resources["InstanceType"])
        elif action == "createTransformJob":
            model = models.get(str(_named(given["ModelName"], known)), "")
            yield model, str(given["TransformResources"]["InstanceType"])
        elif action == "createEndpointConfig":
            for variant in _variants(given):
                yield models.get(str(_named(variant["ModelName"], known)), ""), str(variant["InstanceType"])
    except (KeyError, TypeError):  # not of the shape that the service wants: the check of arguments says so
        return


def _variants(config: Mapping[str, Any]) -> list[Any]:
    """Return the variants that answer, and those in their shadow."""
    return [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]


def _named(value: Any, known: values.Known) -> Any:
    return values.evaluate(value, known) if values.is_expression(value) else value


def _image(address: Any) -> str:
    """Return repository and tag of an image's address."""
    return str(address).partition("/")[2]
