"""What Step Functions integrates with: operations by botocore's models, patterns, and the names of errors.

After https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html and its page per service.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import botocore.session
from botocore.model import OperationModel, ServiceModel

from stacks.checks.assemblies import ROOT

NAMES = {"sfn": "stepfunctions", "applicationautoscaling": "application-autoscaling"}
"""Services that botocore names otherwise than Step Functions does."""
PLAIN, TOKEN, SYNC = "", "waitForTaskToken", "sync"
OPTIMIZED: dict[str, dict[str, tuple[str, ...]]] = {
    "dynamodb": dict.fromkeys(("deleteItem", "getItem", "putItem", "updateItem"), (PLAIN,)),
    "events": {"putEvents": (PLAIN, TOKEN)},
    "lambda": {"invoke": (PLAIN, TOKEN)},
    "sagemaker": {
        **dict.fromkeys(
            ("createEndpoint", "createEndpointConfig", "createModel", "updateEndpoint"), (PLAIN,)
        ),
        **dict.fromkeys(
            (
                *("createHyperParameterTuningJob", "createLabelingJob", "createProcessingJob"),
                *("createTrainingJob", "createTransformJob"),
            ),
            (PLAIN, SYNC),
        ),
    },
    "sns": {"publish": (PLAIN, TOKEN)},
    "sqs": {"sendMessage": (PLAIN, TOKEN)},
    "states": {"startExecution": (PLAIN, SYNC, "sync:2", TOKEN)},
}
"""Optimized integrations of the services that are used here: actions, and the patterns that each has."""
DESCRIBES = {
    *("createHyperParameterTuningJob", "createProcessingJob", "createTrainingJob", "createTransformJob"),
}
"""Actions whose `.sync` answers with the job's description."""
PREFIXES = {
    "dynamodb": ("DynamoDB",),
    "sqs": ("SQS", "Sqs"),
    "sns": ("SNS", "Sns"),
    "sagemaker": ("SageMaker",),
    "s3": ("S3",),
    "firehose": ("Firehose",),
    "sfn": ("Sfn",),
    "cloudwatch": ("CloudWatch",),
    "applicationautoscaling": ("ApplicationAutoScaling",),
    "lambda": ("Lambda",),
}
"""How the names of a service's errors begin, optimized or through the SDK."""
BASES = {
    "dynamodb": ("AmazonDynamoDBException",),
    "sqs": ("AmazonSQSException", "SqsException"),
    "sns": ("AmazonSNSException", "SnsException"),
    "sagemaker": ("AmazonSageMakerException", "SageMakerException"),
    "s3": ("S3Exception",),
    "firehose": ("FirehoseException",),
    "sfn": ("SfnException",),
    "cloudwatch": ("CloudWatchException",),
    "applicationautoscaling": ("ApplicationAutoScalingException",),
    "lambda": ("AWSLambdaException", "Unknown"),
}
"""A service's general exceptions, which its model does not name."""
CLIENTS = ("SdkClientException",)
"""Raised before the service is reached."""
STATES = frozenset(
    f"States.{name}"
    for name in (
        *("ALL", "BranchFailed", "DataLimitExceeded", "ExceedToleratedFailureThreshold", "HeartbeatTimeout"),
        *("Http.Socket", "IntrinsicFailure", "ItemReaderFailed", "NoChoiceMatched", "ParameterPathFailure"),
        *("Permissions", "QueryEvaluationError", "ResultPathMatchFailure", "ResultWriterFailed", "Runtime"),
        *("TaskFailed", "Timeout"),
    )
)
"""https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""


@dataclass(frozen=True)
class Integration:
    """
    What a Task's Resource names.

    Parameters
    ----------
    service, action
        As Step Functions writes them; `lambda` and `invoke` for a function's own ARN.
    pattern
        What follows the action: `sync`, `waitForTaskToken` or nothing.
    through_sdk
        An `aws-sdk` integration, which has every operation.
    function
        The Resource is a function's ARN, which is given the state's input itself.
    """

    service: str
    action: str
    pattern: str
    through_sdk: bool
    function: bool = False

    @property
    def waits(self) -> bool:
        """Whether the Task goes on only when a job ends or a token comes back."""
        return bool(self.pattern) or self.service == "activity"

    @property
    def model(self) -> OperationModel | None:
        """The operation that is called; None when the service has none of that name."""
        service = service_model(self.service)
        wanted = self.action[:1].upper() + self.action[1:]
        # Step Functions writes an action in camel case: another spelling is another, unknown one.
        known = self.action[:1].islower() and service is not None and wanted in service.operation_names
        return service.operation_model(wanted) if known and service is not None else None

    @property
    def answers(self) -> OperationModel | None:
        """The operation whose output the Task's result has."""
        if self.pattern.startswith(SYNC) and self.action in DESCRIBES:
            described = Integration(self.service, self.action.replace("create", "describe", 1), PLAIN, True)
            return described.model
        return self.model

    def faults(self) -> Iterator[str]:
        """Say what Step Functions does not know of it."""
        if self.function:
            return
        name = f"{self.service}:{self.action}"
        if self.through_sdk:
            if self.model is None:
                yield f"there is no operation {name}"
            elif self.pattern not in (PLAIN, TOKEN):
                yield f"{name} has no .{self.pattern} through the SDK"
        elif self.action not in OPTIMIZED.get(self.service, {}):
            yield f"there is no optimized integration {name}"
        elif self.pattern not in OPTIMIZED[self.service][self.action]:
            yield f"{name} has no .{self.pattern}"


def integration(resource: str) -> Integration:
    """Read a Task's Resource."""
    if ":states:::" not in resource:
        return Integration("lambda", "invoke", PLAIN, through_sdk=False, function=True)
    call, _, pattern = resource.partition(":states:::")[2].partition(".")
    service, _, action = call.rpartition(":")
    sdk = service.startswith("aws-sdk:")
    return Integration(service.removeprefix("aws-sdk:"), action, pattern, sdk)


@functools.cache
def service_model(service: str) -> ServiceModel | None:
    """Return botocore's model of a service, by Step Functions' name for it."""
    session = botocore.session.get_session()
    name = NAMES.get(service, service)
    return session.get_service_model(name) if name in session.get_available_services() else None


@functools.cache
def errors(service: str) -> frozenset[str]:
    """Return the names of the errors that a Task of a service can meet."""
    model = service_model(service)
    shapes = [shape.name for shape in model.error_shapes] if model is not None else []
    named = [
        name if name.endswith("Exception") else name.removesuffix("Fault") + "Exception" for name in shapes
    ]
    known = {
        f"{prefix}.{name}"
        for prefix in PREFIXES.get(service, ())
        for name in (*named, *BASES.get(service, ()), *CLIENTS)
    }
    return STATES | known | (_of_functions() if service == "lambda" else frozenset())


@functools.cache
def _of_functions() -> frozenset[str]:
    """Names of the exceptions that the project's functions define, and Python's own."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "lambda_src").rglob("*.py"))
    own = {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }
    return frozenset(own | {name for name in dir(builtins) if name.endswith(("Error", "Exception"))})
