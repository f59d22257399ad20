"""What Step Functions integrates with: operations by botocore's models, patterns, and the names of errors.

After https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html and its page per service.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import botocore.session
from botocore.model import OperationModel, ServiceModel

from lambda_src import errors as own

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
OPTIMIZED_ERRORS = {
    "dynamodb": ("DynamoDB", "AmazonDynamoDBException"),
    "sqs": ("SQS", "AmazonSQSException"),
    "sns": ("SNS", "AmazonSNSException"),
    "sagemaker": ("SageMaker", "AmazonSageMakerException"),
    "lambda": ("Lambda", "AWSLambdaException"),
}
"""How an optimized integration names a service's errors: the prefix, and the general exception of its older SDK.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ddb.html says it of DynamoDB."""
SDK_ERRORS = {
    "dynamodb": "DynamoDb",
    "sqs": "Sqs",
    "sns": "Sns",
    "sagemaker": "SageMaker",
    "s3": "S3",
    "firehose": "Firehose",
    "sfn": "Sfn",
    "cloudwatch": "CloudWatch",
    "lambda": "Lambda",
    "applicationautoscaling": "ApplicationAutoScaling",
}
"""The prefix through the SDK, whose general exception begins with it:
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html"""
CLIENTS = ("SdkClientException",)
"""Raised before the service is reached."""
LAMBDAS_OWN = frozenset(
    (
        *("Lambda.Unknown", "Lambda.ClientExecutionTimeoutException", "Sandbox.Timedout"),
        *("Runtime.ExitError", "Runtime.ImportModuleError", "Runtime.HandlerNotFound"),
    )
)
"""What Lambda says of a function that raised nothing."""
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
def errors(called: Integration) -> frozenset[str]:
    """Return the names of the errors that a Task can meet: its operations' and the service's, as it is called."""
    prefix, general = _naming(called.service, through_sdk=called.through_sdk)
    shapes = [shape.name for model in _operations(called) for shape in model.error_shapes]
    named = [
        name if name.endswith("Exception") else name.removesuffix("Fault") + "Exception" for name in shapes
    ]
    known = {f"{prefix}.{name}" for name in (*named, general, *CLIENTS)} if prefix else set()
    return STATES | known | (LAMBDAS_OWN | _of_functions() if called.service == "lambda" else frozenset())


def generals(called: Integration) -> tuple[str, str]:
    """Return the service's general exception as this integration names it, and as the other kind does."""
    own, other = (
        _naming(called.service, through_sdk=each) for each in (called.through_sdk, not called.through_sdk)
    )
    return ".".join(own), ".".join(other)


def _naming(service: str, *, through_sdk: bool) -> tuple[str, str]:
    """Return the prefix of a service's errors and its general exception; nothing where nobody looked them up."""
    prefix = SDK_ERRORS.get(service, "")
    return (prefix, f"{prefix}Exception") if through_sdk else OPTIMIZED_ERRORS.get(service, ("", ""))


def _operations(called: Integration) -> Iterator[OperationModel]:
    """Yield what a Task calls: a job that is waited for is described, too, and stopped."""
    verbs = ("create", "describe", "stop") if called.pattern.startswith(SYNC) else ("create",)
    for verb in verbs:
        model = Integration(called.service, called.action.replace("create", verb, 1), PLAIN, True).model
        if model is not None:
            yield model


@functools.cache
def _of_functions() -> frozenset[str]:
    """Names of the exceptions that the project's functions raise for Step Functions to know."""
    found = (each for each in vars(own).values() if isinstance(each, type))
    return frozenset(each.__name__ for each in found if issubclass(each, own.SconesError))
