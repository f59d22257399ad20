"""An image that is none, is for other processors, or may not be pulled is found."""

from __future__ import annotations

import json

import pytest

from stacks.checks import containers
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines
from tests.checks.conftest import planted


def _training(assemblies: list[Assembly]) -> Machine:
    prod = next(each for each in assemblies if each.env == "prod")
    return next(each for each in machines(prod, REFERENCE) if "createTrainingJob" in each.definition)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cuda-v1.5", "cuda-v1", "ray:serve-ml-sagemaker-cuda-v1 is no image"),
        ("/pytorch:", "/pytorch-training:", "is no image"),
        (
            "2.13-cu133",
            "2.13-cpu",
            "Train: pytorch:2.13-cpu-amzn2023-sagemaker runs on ml.g5.xlarge, with a GPU",
        ),
        (
            "serve-ml-sagemaker-cuda",
            "serve-ml-sagemaker-cpu",
            "CreateEndpointConfig: ray:serve-ml-",
        ),
        (
            "serve-ml-sagemaker-cpu",
            "serve-ml-sagemaker-cuda",
            "TransformCandidate: ray:serve-ml-",
        ),
        ("inference-gpu-3-1", "inference-gpu-2", "InferenceAmiVersion is"),
    ],
)
def test_an_image_that_does_not_fit_is_found(
    assemblies: list[Assembly], old: str, new: str, said: str
) -> None:
    machine = _training(assemblies)
    assert list(containers.of_machine(machine)) == []
    broken = Machine(machine.stack, machine.name, machine.kind, machine.definition.replace(old, new))
    found = list(containers.of_machine(broken))
    assert any(said in each for each in found), found


def test_a_repository_that_there_is_not_is_found(assemblies: list[Assembly]) -> None:
    def edit(resource: dict[str, object]) -> None:
        text = json.dumps(resource["Properties"]).replace("repository/pytorch", "repository/pytorc")
        resource["Properties"] = json.loads(text)

    found = containers.check([planted(assemblies, "training", "JobsRoleDefaultPolicy", edit)]).findings
    assert any("no image is in the repository pytorc" in each for each in found)
