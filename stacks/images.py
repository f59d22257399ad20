"""AWS's container images for training and serving, for whatever region the stack is deployed to."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.region_info import FactName
from constructs import Construct

PYTORCH = {True: "pytorch:2.13-cu133-amzn2023-sagemaker", False: "pytorch:2.13-cpu-amzn2023-sagemaker"}
RAY = {True: "ray:serve-ml-sagemaker-cuda-v1", False: "ray:serve-ml-sagemaker-cpu-v1"}
GPU_INFERENCE_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
"""The driver of the default host image is too old for the CUDA of the Ray image."""


def _account(scope: Construct) -> str:
    account = Stack.of(scope).regional_fact(FactName.DLC_REPOSITORY_ACCOUNT)
    return str(account)


def uri(scope: Construct, image: str) -> str:
    """Return the address of an image in the region of the stack."""
    return f"{_account(scope)}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{image}"


def pull_statements(scope: Construct) -> list[iam.PolicyStatement]:
    """Return what a role needs to pull these images."""
    repositories = [
        f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{_account(scope)}:repository/{name}"
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
