"""What the training workflow makes in SageMaker, found again by name and confirmed by tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client
from lambda_src.adapters.faults import code, passing_faults
from lambda_src.errors import CleanupError
from lambda_src.naming import VARIANT, made, search_prefix
from lambda_src.observability import logger

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sagemaker import SageMakerClient

UNSETTLED = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
HARMLESS = ("ConflictException", "ResourceInUse", "ResourceNotFound", "ValidationException")
"""Gone already, or settling still: SageMaker says both with the same name, and the next listing knows."""
MOST = 100
"""Of one kind in one sweep, so that a sweep ends well within the function's time-out."""


@dataclass(frozen=True)
class Kind:
    """How SageMaker's operations on one kind of thing are spelt."""

    word: str
    title: str
    listed: str


SEARCH = Kind("hyper_parameter_tuning_job", "HyperParameterTuningJob", "HyperParameterTuningJobSummaries")
TRAINING = Kind("training_job", "TrainingJob", "TrainingJobSummaries")
PROCESSING = Kind("processing_job", "ProcessingJob", "ProcessingJobSummaries")
TRANSFORM = Kind("transform_job", "TransformJob", "TransformJobSummaries")
ENDPOINT = Kind("endpoint", "Endpoint", "Endpoints")
CONFIGURATION = Kind("endpoint_config", "EndpointConfig", "EndpointConfigs")
MODEL = Kind("model", "Model", "Models")


@dataclass(frozen=True)
class Leavings:
    """Lists and removes, idempotently; every method names what it found.

    Each raises `CleanupError` for what cannot be removed, and `ServiceBusyError` where another try may help.

    Parameters
    ----------
    prefix
        What the names begin with.
    tags
        What tags must not contradict: a name alone might be another deployment's.
    group_name
        The model package group.
    sagemaker, logs, scaling
        boto3 clients; they are made when they are left out.
    """

    prefix: str
    tags: dict[str, str]
    group_name: str
    sagemaker: SageMakerClient | None = None
    logs: CloudWatchLogsClient | None = None
    scaling: Any = None  # boto3's types for it are no dependency of the project

    def _client(self) -> Any:
        # Untyped, because the operations of six kinds are called by composed names.
        return self.sagemaker or client("sagemaker")

    def _ours(self, kind: Kind, **filters: str) -> list[dict[str, Any]]:
        """List what is ours, whole before anything is deleted: pages shift under deletions."""
        return list(islice(self._matching(kind, **filters), MOST))

    def _matching(self, kind: Kind, **filters: str) -> Iterator[dict[str, Any]]:
        begins = search_prefix(self.prefix) if kind is SEARCH else self.prefix
        name = made(begins)
        with passing_faults():
            pages = self._client().get_paginator(f"list_{kind.word}s")
            for page in pages.paginate(NameContains=begins, **filters):
                for entry in page[kind.listed]:
                    if name.fullmatch(entry[f"{kind.title}Name"]) and self._agrees(entry[f"{kind.title}Arn"]):
                        yield entry

    def _agrees(self, arn: str) -> bool:
        try:
            listed = self._client().list_tags(ResourceArn=arn)["Tags"]
        except ClientError as error:
            if code(error) in HARMLESS:
                return True  # gone between listing and asking, or of a kind that has no tags
            raise
        found = {tag["Key"]: tag["Value"] for tag in listed}
        return all(found.get(key, value) == value for key, value in self.tags.items())

    def stop_jobs(self) -> list[str]:
        """Stop the jobs that run. Their records stay: SageMaker deletes none."""
        found = []
        # A search stops the training jobs that it has started, and starts none afterwards.
        for kind in (SEARCH, TRAINING, PROCESSING, TRANSFORM):
            for status in ("InProgress", "Stopping"):
                for entry in self._ours(kind, StatusEquals=status):
                    name = entry[f"{kind.title}Name"]
                    found.append(f"{kind.word} {name}")
                    if status == "InProgress":
                        self._remove(f"stop_{kind.word}", f"{kind.title}Name", name)
        return found

    def delete_endpoints(self) -> list[str]:
        """Delete endpoints that have settled; name those that have not, too."""
        entries = self._ours(ENDPOINT)
        for entry in entries:
            if entry["EndpointStatus"] not in UNSETTLED:
                self._stop_scaling(entry["EndpointName"])
                self._remove("delete_endpoint", "EndpointName", entry["EndpointName"])
        return [f"endpoint {entry['EndpointName']} ({entry['EndpointStatus']})" for entry in entries]

    def _stop_scaling(self, endpoint: str) -> None:
        """Take an endpoint's scaling away, policy and schedule included, which would outlive it."""
        target = f"endpoint/{endpoint}/variant/{VARIANT}"
        with passing_faults():
            try:
                (self.scaling or client("application-autoscaling")).deregister_scalable_target(
                    ServiceNamespace="sagemaker",
                    ResourceId=target,
                    ScalableDimension="sagemaker:variant:DesiredInstanceCount",
                )
            except ClientError as error:
                if code(error).startswith("AccessDenied"):
                    raise CleanupError(f"{target} cannot be removed: {error}.") from error
                if code(error) != "ObjectNotFoundException":
                    raise

    def delete_configurations(self) -> list[str]:
        """Delete endpoint configurations."""
        return self._delete_all(CONFIGURATION)

    def delete_models(self) -> list[str]:
        """Delete models."""
        return self._delete_all(MODEL)

    def _delete_all(self, kind: Kind) -> list[str]:
        names = [entry[f"{kind.title}Name"] for entry in self._ours(kind)]
        for name in names:
            self._remove(f"delete_{kind.word}", f"{kind.title}Name", name)
        return [f"{kind.word} {name}" for name in names]

    def delete_packages(self) -> list[str]:
        """Delete the versions in the group, which is this deployment's alone; the stack deletes the group."""
        with passing_faults():
            try:
                pages = self._client().get_paginator("list_model_packages")
                listed = (
                    entry["ModelPackageArn"]
                    for page in pages.paginate(ModelPackageGroupName=self.group_name)
                    for entry in page["ModelPackageSummaryList"]
                )
                arns = list(islice(listed, MOST))
            except ClientError as error:
                if code(error) in HARMLESS:
                    return []  # there is no such group
                raise
        for arn in arns:
            self._remove("delete_model_package", "ModelPackageName", arn)
        return [f"model_package {arn}" for arn in arns]

    def delete_endpoint_logs(self) -> list[str]:
        """Delete the log group that SageMaker made for the endpoint, which is called after it."""
        group = f"/aws/sagemaker/Endpoints/{self.prefix}"
        with passing_faults():
            try:
                (self.logs or client("logs")).delete_log_group(logGroupName=group)
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return []
                if code(error).startswith("AccessDenied"):
                    raise CleanupError(f"{group} cannot be removed: {error}.") from error
                raise
        return [f"log_group {group}"]

    def _remove(self, operation: str, parameter: str, name: str) -> None:
        call: Callable[..., object] = getattr(self._client(), operation)
        with passing_faults():
            try:
                call(**{parameter: name})
            except ClientError as error:
                if code(error) in HARMLESS:
                    logger().info("left for the next sweep", extra={"target": name, "reason": str(error)})
                elif code(error).startswith("AccessDenied"):
                    raise CleanupError(f"{name} cannot be removed: {error}.") from error
                else:
                    raise
