"""The SageMaker types of CloudFormation that stacks here use."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker import api
from localcloud.sagemaker.errors import SageMakerError


def _create_group(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    try:
        arn = api.perform("CreateModelPackageGroup", properties)["ModelPackageGroupArn"]
    except SageMakerError as error:
        raise ValueError(str(error)) from error
    return arn, {"ModelPackageGroupArn": arn, "ModelPackageGroupStatus": "Completed"}


def _delete_group(physical_id: str, properties: dict[str, Any]) -> None:
    try:
        api.perform("DeleteModelPackageGroup", {"ModelPackageGroupName": physical_id.rsplit("/", 1)[-1]})
    except SageMakerError as error:
        if "does not exist" not in str(error):
            raise ValueError(str(error)) from error


HANDLERS = {"AWS::SageMaker::ModelPackageGroup": {"create": _create_group, "delete": _delete_group}}
