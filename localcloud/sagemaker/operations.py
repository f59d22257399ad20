"""Every operation by name: the regular ones from the kinds, the others from their modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud.sagemaker import endpoints, jobs, packages, processing, training, transform, tuning
from localcloud.sagemaker.errors import ResourceNotFoundError, SageMakerError, ValidationError
from localcloud.sagemaker.store import KINDS, STORE, Kind, Record

Operation = Callable[[dict[str, Any]], dict[str, Any] | None]


def _describe(kind: Kind) -> Operation:
    # A copy, because a job's thread may add to it while the answer is written.
    return lambda request: dict(STORE.get(kind, request[kind.key]).shown)


def _listed(kind: Kind, request: dict[str, Any]) -> list[Record]:
    contains = request.get("NameContains", "")
    status = request.get("StatusEquals")
    group = request.get("ModelPackageGroupName")
    records = [
        record
        for record in STORE.all(kind)
        if contains in record.name
        and (status is None or record.shown.get(kind.status) == status)
        and (group is None or record.shown.get("ModelPackageGroupName") == group.rsplit("/", 1)[-1])
    ]
    return records if request.get("SortOrder") == "Ascending" else records[::-1]


def _list(kind: Kind) -> Operation:
    def listing(request: dict[str, Any]) -> dict[str, Any]:
        records = _listed(kind, request)
        start = int(request.get("NextToken", 0))
        size = request.get("MaxResults", 100)
        page = records[start : start + size]
        shown = {kind.summaries: [_summary(kind, record) for record in page]}
        return shown if start + size >= len(records) else {**shown, "NextToken": str(start + size)}

    return listing


def _summary(kind: Kind, record: Record) -> dict[str, Any]:
    wanted = (
        *(kind.key, kind.arn, kind.status, "CreationTime", "LastModifiedTime"),
        *("ModelPackageGroupName", "ModelPackageVersion", "ModelApprovalStatus", "ModelPackageGroupArn"),
    )
    return {name: record.shown[name] for name in wanted if name in record.shown}


def _stop(kind: Kind) -> Operation:
    def stopping(request: dict[str, Any]) -> None:
        try:
            record = STORE.get(kind, request[kind.key])
        except ValidationError as error:
            raise ResourceNotFoundError(str(error)) from error
        jobs.stop(record)

    return stopping


def _create_model(request: dict[str, Any]) -> dict[str, Any]:
    return {"ModelArn": STORE.add(KINDS["Model"], request).arn}


def _delete_model(request: dict[str, Any]) -> None:
    STORE.remove(STORE.get(KINDS["Model"], request["ModelName"]))


def _add_tags(request: dict[str, Any]) -> dict[str, Any]:
    record = STORE.by_arn(request["ResourceArn"])
    record.tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
    return {"Tags": _tags(record)}


def _list_tags(request: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": _tags(STORE.by_arn(request["ResourceArn"]))}


def _delete_tags(request: dict[str, Any]) -> None:
    record = STORE.by_arn(request["ResourceArn"])
    for key in request["TagKeys"]:
        record.tags.pop(key, None)


def _tags(record: Record) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]


OPERATIONS: dict[str, Operation] = {
    **{f"Describe{name}": _describe(kind) for name, kind in KINDS.items()},
    **{f"List{name}s": _list(kind) for name, kind in KINDS.items()},
    **{f"Stop{name}": _stop(kind) for name, kind in KINDS.items() if kind.is_job},
    "CreateModel": _create_model,
    "DeleteModel": _delete_model,
    "AddTags": _add_tags,
    "ListTags": _list_tags,
    "DeleteTags": _delete_tags,
    "CreateTrainingJob": training.create,
    **tuning.OPERATIONS,
    "CreateProcessingJob": processing.create,
    "CreateTransformJob": transform.create,
    **endpoints.OPERATIONS,
    **packages.OPERATIONS,
}


def call(action: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """Carry out one validated request.

    Raises
    ------
    SageMakerError
    """
    if action not in OPERATIONS:
        raise SageMakerError("UnknownOperationException", f"The local SageMaker has no {action}.")
    return OPERATIONS[action](request)
