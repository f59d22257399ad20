"""What the training workflow makes in SageMaker, found again by name prefix and confirmed by tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client

TAG = "scones:deployment"
GONE = ("Could not find", "not found", "does not exist")
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
JOBS = ("TrainingJob", "ProcessingJob", "TransformJob")


@dataclass(frozen=True)
class Leavings:
    """Lists and removes, idempotently; every method names what it found.

    Parameters
    ----------
    prefix
        What the names begin with.
    deployment
        Value of the tag that confirms them: a prefix alone might be another deployment's.
    group_name
        The model package group.
    """

    prefix: str
    deployment: str
    group_name: str
    sagemaker: Any = None

    def _client(self) -> Any:
        return self.sagemaker or client("sagemaker")

    def _named(
        self, operation: str, entries: str, name: str, arn: str, **filters: str
    ) -> Iterator[dict[str, Any]]:
        pages = self._client().get_paginator(operation).paginate(NameContains=self.prefix, **filters)
        for page in pages:
            for entry in page[entries]:
                own = entry[name] == self.prefix or entry[name].startswith(f"{self.prefix}-")
                if own and self._tagged(entry[arn]):
                    yield entry

    def _tagged(self, arn: str) -> bool:
        found: list[dict[str, str]] = []
        _unless_gone(lambda: found.extend(self._client().list_tags(ResourceArn=arn)["Tags"]))
        return any(tag["Key"] == TAG and tag["Value"] == self.deployment for tag in found)

    def stop_jobs(self) -> list[str]:
        """Stop the jobs that run. Their records stay: SageMaker deletes none."""
        found = []
        for job in JOBS:
            snake = {"TrainingJob": "training_job", "ProcessingJob": "processing_job"}.get(
                job, "transform_job"
            )
            for status in ("InProgress", "Stopping"):
                entries = self._named(
                    f"list_{snake}s", f"{job}Summaries", f"{job}Name", f"{job}Arn", StatusEquals=status
                )
                for entry in entries:
                    found.append(f"{snake} {entry[f'{job}Name']}")
                    if status == "InProgress":
                        stop = getattr(self._client(), f"stop_{snake}")
                        _unless_gone(
                            lambda stop=stop, entry=entry, job=job: stop(
                                **{f"{job}Name": entry[f"{job}Name"]}
                            )
                        )
        return found

    def delete_endpoints(self) -> list[str]:
        """Delete endpoints that have settled, and name those that have not, too."""
        found = []
        for entry in self._named("list_endpoints", "Endpoints", "EndpointName", "EndpointArn"):
            found.append(f"endpoint {entry['EndpointName']}")
            if entry["EndpointStatus"] not in BUSY:
                _unless_gone(
                    lambda name=entry["EndpointName"]: self._client().delete_endpoint(EndpointName=name)
                )
        return found

    def delete_configurations(self) -> list[str]:
        """Delete endpoint configurations."""
        found = []
        entries = self._named(
            "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", "EndpointConfigArn"
        )
        for name in [entry["EndpointConfigName"] for entry in entries]:
            found.append(f"endpoint_config {name}")
            _unless_gone(lambda name=name: self._client().delete_endpoint_config(EndpointConfigName=name))
        return found

    def delete_models(self) -> list[str]:
        """Delete models."""
        found = []
        for name in [
            entry["ModelName"] for entry in self._named("list_models", "Models", "ModelName", "ModelArn")
        ]:
            found.append(f"model {name}")
            _unless_gone(lambda name=name: self._client().delete_model(ModelName=name))
        return found

    def delete_packages(self) -> list[str]:
        """Delete the versions in the group, which is this deployment's alone; the stack deletes the group."""
        arns: list[str] = []

        def listing() -> None:
            pages = (
                self._client()
                .get_paginator("list_model_packages")
                .paginate(ModelPackageGroupName=self.group_name)
            )
            arns.extend(
                entry["ModelPackageArn"] for page in pages for entry in page["ModelPackageSummaryList"]
            )

        _unless_gone(listing)
        for arn in arns:
            _unless_gone(lambda arn=arn: self._client().delete_model_package(ModelPackageName=arn))
        return [f"model_package {arn}" for arn in arns]


def _unless_gone(call: Callable[[], object]) -> None:
    """Make a call whose object may have gone, or may be settling."""
    try:
        call()
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        code = error.response["Error"]["Code"]
        settling = code == "ValidationException" and "in-progress" in message
        if not settling and code != "ResourceNotFound" and not any(sign in message for sign in GONE):
            raise
