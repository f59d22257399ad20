"""AWS's container images for training and serving, in every region that a stack may be deployed to."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import Aws, CfnMapping, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.instances import JOB_INSTANCE
from stacks.regions import AS_OF, REGISTRIES, supporting
from stacks.settings import ClassifierSettings, SettingsError

PYTORCH = {True: "pytorch:2.13-cu133-amzn2023-sagemaker", False: "pytorch:2.13-cpu-amzn2023-sagemaker"}
RAY = {True: "ray:serve-ml-sagemaker-cuda-v1.5", False: "ray:serve-ml-sagemaker-cpu-v1.5"}
"""Of the minor release that holds the Ray of pyproject.toml: the tag `v1` moves from one Ray to the next.

https://github.com/aws/deep-learning-containers/blob/main/docs/ray/changelog/index.md
"""
GPU_INFERENCE_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
"""The driver of the default host image is too old for the CUDA of the Ray image."""
MAPPING = "RegionsWithTheseImagesAndInstances"
"""CloudFormation names it where it refuses a region."""


def instance_types(chosen: ClassifierSettings) -> tuple[str, ...]:
    """Return every instance type that one classifier runs on."""
    return chosen.training.instance_type, chosen.serving.instance_type, JOB_INSTANCE


def confine(stack: Stack, instance_types: Iterable[str]) -> None:
    """Let a stack be deployed only where the images and all of these instances are.

    Raises
    ------
    SettingsError
        When that is nowhere.
    """
    types = sorted(set(instance_types))
    regions = supporting(types)
    if not regions:
        raise SettingsError(
            f"No region has all of {', '.join(types)} as of {AS_OF}: choose other instance types."
        )
    CfnMapping(stack, MAPPING, mapping={each: {"account": REGISTRIES[each]} for each in regions})


def account(scope: Construct) -> str:
    """Return the account of the images' registry; a confined stack is refused by CloudFormation where none is."""
    mapping = Stack.of(scope).node.find_child(MAPPING)
    assert isinstance(mapping, CfnMapping)  # noqa: S101  # for the type checker: `confine` made it
    return mapping.find_in_map(Aws.REGION, "account")


def uri(scope: Construct, image: str) -> str:
    """Return the address of an image in the region of the stack."""
    return f"{account(scope)}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{image}"


def pull_statements(scope: Construct) -> list[iam.PolicyStatement]:
    """Return what a role needs to pull these images."""
    repositories = [
        f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{account(scope)}:repository/{name}"
        for name in ("pytorch", "ray")
    ]
    return [
        iam.PolicyStatement(
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=repositories,
        ),
        # No resource-level permission exists:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
    ]
