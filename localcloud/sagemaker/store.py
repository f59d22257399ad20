"""What exists: jobs, models, endpoints and the rest, in memory, as their Describe operations show them."""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass, field
from typing import Any

from localcloud.sagemaker.errors import ResourceInUseError, ValidationError

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class Kind:
    """One kind of resource and the words that SageMaker uses for it."""

    name: str
    segment: str
    summaries: str
    words: str
    is_job: bool = False

    @property
    def key(self) -> str:
        """The member that names a resource of this kind."""
        return f"{self.name}Name"

    @property
    def arn(self) -> str:
        """The member with its ARN."""
        return f"{self.name}Arn"

    def arn_of(self, name: str) -> str:
        """Return the ARN of a resource of this kind; a job's is in small letters."""
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{self.segment}/{name.lower() if self.is_job else name}"

    @property
    def status(self) -> str:
        """The member with its status."""
        return f"{self.name}Status"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("TrainingJob", "training-job", "TrainingJobSummaries", "training job", is_job=True),
        Kind(
            *("HyperParameterTuningJob", "hyper-parameter-tuning-job", "HyperParameterTuningJobSummaries"),
            "hyperparameter tuning job",
            is_job=True,
        ),
        Kind("ProcessingJob", "processing-job", "ProcessingJobSummaries", "processing job", is_job=True),
        Kind("TransformJob", "transform-job", "TransformJobSummaries", "transform job", is_job=True),
        Kind("Model", "model", "Models", "model"),
        Kind("EndpointConfig", "endpoint-config", "EndpointConfigs", "endpoint configuration"),
        Kind("Endpoint", "endpoint", "Endpoints", "endpoint"),
        Kind(
            "ModelPackageGroup", "model-package-group", "ModelPackageGroupSummaryList", "model package group"
        ),
        Kind("ModelPackage", "model-package", "ModelPackageSummaryList", "model package"),
    )
}


def now() -> datetime.datetime:
    """Return the time, with its zone."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(eq=False)
class Record:
    """One resource: what Describe shows, its tags, and what only this process knows of it."""

    kind: Kind
    shown: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    private: dict[str, Any] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def name(self) -> str:
        """The name within its kind."""
        return str(self.shown[self.kind.key])

    @property
    def arn(self) -> str:
        """The ARN."""
        return str(self.shown[self.kind.arn])

    def update(self, **shown: Any) -> None:
        """Change what Describe shows, and when it changed."""
        with self.lock:
            self.shown.update(shown, LastModifiedTime=now())


class Store:
    """Every resource of this SageMaker, by kind and name."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, dict[str, Record]] = {name: {} for name in KINDS}

    def add(self, kind: Kind, request: dict[str, Any], *, name: str | None = None, **shown: Any) -> Record:
        """Add a resource.

        Raises
        ------
        ResourceInUseError, ValidationError
            When the name is taken, in the form that SageMaker gives for this kind.
        """
        name = name or request[kind.key]
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        times = {"CreationTime": now(), "LastModifiedTime": now()}
        record = Record(
            kind, {**request, kind.key: name, kind.arn: kind.arn_of(name), **times, **shown}, tags
        )
        with self._lock:
            if name in self._records[kind.name]:
                if kind.is_job:
                    raise ResourceInUseError(
                        f"Job name must be unique within an AWS account and region, and a {kind.words} with "
                        f"this name already exists ({record.arn})"
                    )
                raise ValidationError(f'Cannot create already existing {kind.words} "{record.arn}".')
            self._records[kind.name][name] = record
        return record

    def get(self, kind: Kind, name: str) -> Record:
        """Return a resource by name or ARN.

        Raises
        ------
        ValidationError
        """
        if kind.name == "ModelPackage" and name.startswith("arn:"):
            short = name.split(":model-package/", 1)[-1]
        else:
            short = name.rsplit("/", 1)[-1] if name.startswith("arn:") else name
        with self._lock:
            record = self._records[kind.name].get(short)
        if record is None:
            if kind.is_job:
                raise ValidationError("Requested resource not found.")
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind.segment}/{short}"
            if kind.name.startswith("ModelPackage"):
                raise ValidationError(f"{kind.name} {arn} does not exist.")
            raise ValidationError(f'Could not find {kind.words} "{arn}".')
        return record

    def remove(self, record: Record) -> None:
        """Forget a resource."""
        with self._lock:
            self._records[record.kind.name].pop(record.name, None)

    def all(self, kind: Kind) -> list[Record]:
        """List the resources of a kind, oldest first."""
        with self._lock:
            return sorted(self._records[kind.name].values(), key=lambda each: each.shown["CreationTime"])

    def by_arn(self, arn: str) -> Record:
        """Return whatever has this ARN.

        Raises
        ------
        ValidationError
        """
        with self._lock:
            for records in self._records.values():
                for record in records.values():
                    if record.arn.lower() == arn.lower():
                        return record
        raise ValidationError(f"Could not find resource {arn}.")


STORE = Store()
