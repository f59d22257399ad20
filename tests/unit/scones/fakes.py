"""A small cloud in memory: the few answers that the command line reads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from scones.target import Target

OUTPUTS = {
    "scones-dev-data": {
        "InboundBucketName": "inbound",
        "DatasetsBucketName": "datasets",
        "ModelsBucketName": "models",
        "ResultsBucketName": "results",
    },
    "scones-dev-vehicles-training": {
        "TrainingStateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:training",
        "StateTableName": "state",
        "EndpointName": "scones-dev-vehicles",
    },
    "scones-dev-vehicles-classification": {
        "ResultsTableName": "results",
        "InboundQueueUrl": "http://queue/inbound",
        "InboundSourceId": "source",
        "ReviewQueueUrl": "http://queue/review",
        "DeadLetterQueueUrl": "http://queue/dead",
    },
}


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{operation} says no."}}, operation)


class LogGroupMissingError(Exception):
    """What the client's ResourceNotFoundException is here."""


@dataclass(frozen=True)
class FakePages:
    """A paginator of one page."""

    page: dict[str, Any]

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [self.page]


@dataclass
class FakeCloud:
    """Every service at once; a client of any service is this object."""

    stacks: dict[str, dict[str, str]] = field(default_factory=lambda: dict(OUTPUTS))
    objects: dict[str, bytes] = field(default_factory=dict)
    decide: Callable[[str], dict[str, Any] | None] = lambda key: None
    looks_before: int = 0
    executions: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None
    source: str = "Enabled"
    invocations: float = 0.0
    counted_since: datetime | None = None
    _looks: dict[str, int] = field(default_factory=dict)
    _versions: Any = field(default_factory=itertools.count)

    class exceptions:  # noqa: N801  # named as botocore's
        ResourceNotFoundException = LogGroupMissingError

    def target(self) -> Target:
        return Target("scones", "dev", "vehicles", lambda service: self, "a fake cloud")

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName not in self.stacks:
            raise refused("ValidationError", "DescribeStacks")
        outputs = [{"OutputKey": k, "OutputValue": v} for k, v in self.stacks[StackName].items()]
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}

    def put_object(self, **request: Any) -> dict[str, Any]:
        body = request["Body"]
        self.objects[request["Key"]] = body if isinstance(body, bytes) else body.read()
        return {"VersionId": f"v{next(self._versions)}"}

    def get_item(self, **request: Any) -> dict[str, Any]:
        key = request["Key"]
        if "id" in key:
            item = self.items.get(key["id"]["S"])
            return {"Item": item} if item else {}
        name = key["object"]["S"]
        self._looks[name] = self._looks.get(name, 0) + 1
        record = self.decide(name) if self._looks[name] > self.looks_before else None
        return {} if record is None else {"Item": record}

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        if self.endpoint is None:
            raise refused("ValidationException", "DescribeEndpoint")
        return {"EndpointName": EndpointName, **self.endpoint}

    def get_event_source_mapping(self, **_: Any) -> dict[str, Any]:
        return {"State": self.source}

    def update_event_source_mapping(self, *, UUID: str, Enabled: bool) -> None:  # noqa: N803
        self.source = "Enabled" if Enabled else "Disabled"

    def get_paginator(self, operation: str) -> Any:
        # The second is another classifier's, whose name begins alike.
        jobs = [
            {"ProcessingJobName": f"scones-dev-vehicles-{step}-0123456789ab-0"}
            for step in ("stage", "night-drift")
        ]
        pages: dict[str, dict[str, Any]] = {
            "scan": {"Items": list(self.items.values())},
            "list_endpoints": {
                "Endpoints": [{"EndpointName": "scones-dev-vehicles"}] if self.endpoint else []
            },
            "list_training_jobs": {"TrainingJobSummaries": []},
            "list_processing_jobs": {"ProcessingJobSummaries": jobs if self.endpoint else []},
            "list_transform_jobs": {"TransformJobSummaries": []},
        }
        return FakePages(pages[operation])

    def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
        variant = {"VariantName": "all", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 2}
        shadow = {
            "VariantName": "Shadow",
            "ModelName": "challenger",
            "InstanceType": "ml.g5.xlarge",
            "InitialInstanceCount": 1,
        }
        shadows = (
            {"ShadowProductionVariants": [shadow]}
            if "ShadowProductionVariants" in (self.endpoint or {})
            else {}
        )
        return {"ProductionVariants": [variant], **shadows}

    def describe_processing_job(self, **_: Any) -> dict[str, Any]:
        return {
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}}
        }

    def get_metric_statistics(self, **given: Any) -> dict[str, Any]:
        self.counted_since = given["StartTime"]
        return {"Datapoints": [{"Sum": self.invocations}]}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {
            "Attributes": {"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1"}
        }

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {
            "executions": [
                {"name": "run-1", "status": "SUCCEEDED", "startDate": datetime(2026, 1, 1, tzinfo=UTC)}
            ]
        }

    def start_execution(self, **request: Any) -> dict[str, Any]:
        assert json.loads(request["input"])
        return {"executionArn": "arn:execution"}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        return {"executionArn": executionArn, **self.executions}

    def get_execution_history(self, **request: Any) -> dict[str, Any]:
        page = int(request.get("nextToken", "0"))
        newest_first = self.history[::-1]
        answer: dict[str, Any] = {"events": newest_first[page : page + 3]}
        if page + 3 < len(newest_first):
            answer["nextToken"] = str(page + 3)
        return answer

    def describe_log_streams(self, *, logGroupName: str, logStreamNamePrefix: str) -> dict[str, Any]:  # noqa: N803
        if logGroupName not in {group for group, _ in self.streams}:
            raise LogGroupMissingError
        names = [s for g, s in self.streams if g == logGroupName and s.startswith(logStreamNamePrefix)]
        return {"logStreams": [{"logStreamName": name} for name in names]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        lines = self.streams[request["logGroupName"], request["logStreamName"]]
        start = int(request.get("nextToken", "0"))
        return {"events": [{"message": line} for line in lines[start:]], "nextForwardToken": str(len(lines))}


def record(outcome: str, **values: str | float) -> dict[str, Any]:
    """Return an item of the results table."""
    item: dict[str, Any] = {"outcome": {"S": outcome}}
    for name, value in values.items():
        item[name.rstrip("_")] = {"S": value} if isinstance(value, str) else {"N": str(value)}
    return item
