"""Model packages: versions within a group."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.store import KINDS, STORE

GROUP = KINDS["ModelPackageGroup"]
PACKAGE = KINDS["ModelPackage"]


def _create_group(request: dict[str, Any]) -> dict[str, Any]:
    return {GROUP.arn: STORE.add(GROUP, request, ModelPackageGroupStatus="Completed").arn}


def _delete_group(request: dict[str, Any]) -> None:
    record = STORE.get(GROUP, request[GROUP.key])
    if any(each.shown.get(GROUP.key) == record.name for each in STORE.all(PACKAGE)):
        raise ValidationError(
            f"Model package group {record.name} cannot be deleted: it holds model packages."
        )
    STORE.remove(record)


def _create_package(request: dict[str, Any]) -> dict[str, Any]:
    group_name = request.get(GROUP.key)
    if group_name is None:
        raise ValidationError(
            "The local SageMaker keeps model packages in groups: give ModelPackageGroupName."
        )
    if request.get("Tags"):
        raise ValidationError("Tags on a versioned model package are not supported; tag its group instead.")
    group = STORE.get(GROUP, group_name)
    version = group.private.setdefault("versions", 0) + 1
    group.private["versions"] = version
    record = STORE.add(
        PACKAGE,
        {**request, GROUP.key: group.name},
        name=f"{group.name}/{version}",
        ModelPackageVersion=version,
        ModelPackageStatus="Completed",
        ModelPackageStatusDetails={"ValidationStatuses": [], "ImageScanStatuses": []},
        ModelApprovalStatus=request.get("ModelApprovalStatus", "PendingManualApproval"),
    )
    return {PACKAGE.arn: record.arn}


def _update_package(request: dict[str, Any]) -> dict[str, Any]:
    record = STORE.get(PACKAGE, request[PACKAGE.arn])
    record.update(**{key: value for key, value in request.items() if key != PACKAGE.arn})
    return {PACKAGE.arn: record.arn}


def _delete_package(request: dict[str, Any]) -> None:
    STORE.remove(STORE.get(PACKAGE, request[PACKAGE.key]))


OPERATIONS = {
    "CreateModelPackageGroup": _create_group,
    "DeleteModelPackageGroup": _delete_group,
    "CreateModelPackage": _create_package,
    "UpdateModelPackage": _update_package,
    "DeleteModelPackage": _delete_package,
}
