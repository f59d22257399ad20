"""Step Functions calls any operation of any service; ministack 1.5.33 knows some, by hand-written tables.

It lacks `s3:putObject`, Firehose and SageMaker, stores an empty tag set for `s3:putObjectTagging` and breaks
keys with `%`. Here botocore makes the call, so that every operation has the shapes that AWS gives it.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import botocore
import botocore.exceptions
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from localcloud import access

CLIENT_NAMES = {
    "sfn": "stepfunctions",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "applicationautoscaling": "application-autoscaling",
}
"""Step Functions' service names that differ from botocore's."""
ERROR_PREFIXES = {
    "dynamodb": "DynamoDb",
    "s3": "S3",
    "sfn": "Sfn",
    "sqs": "Sqs",
    "sns": "Sns",
    "sagemaker": "SageMaker",
    "sagemakerruntime": "SageMakerRuntime",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "eventbridge": "EventBridge",
    "firehose": "Firehose",
    "applicationautoscaling": "ApplicationAutoScaling",
}


def _recase(value: Any, shape: Shape | None, *, outward: bool) -> Any:  # noqa: PLR0911  # one per kind
    """Turn Step Functions' PascalCase members into the model's names, or (`outward`) back."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        if outward:
            return {
                (name[0].upper() + name[1:]): _recase(each, shape.members.get(name), outward=True)
                for name, each in value.items()
            }
        names = {member[0].upper() + member[1:]: member for member in shape.members}
        return {
            own: _recase(each, shape.members.get(own), outward=False)
            for own, each in ((names.get(str(name), str(name)), each) for name, each in value.items())
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_recase(each, shape.member, outward=outward) for each in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _recase(each, shape.value, outward=outward) for name, each in value.items()}
    if outward:
        return _plain(value)
    # Step Functions takes numbers and structures where the service wants text or bytes.
    if shape is not None and shape.type_name in ("string", "blob") and not isinstance(value, str):
        return value if isinstance(value, bytes) else json.dumps(value)
    return value


def _plain(value: Any) -> Any:
    """Turn what botocore gives into what JSON can hold."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "read"):
        return value.read().decode()
    return value


def _error_name(code: str, model: ServiceModel, service: str, base: str | None) -> str:
    """Name an error as Step Functions does, by the class of AWS's Java SDK.

    An error that the service's model does not name, such as SageMaker's `ValidationException`, is the
    service's general exception there: `SageMaker.SageMakerException`, or `base`.
    """
    prefix = ERROR_PREFIXES.get(service, service[0].upper() + service[1:])
    known = {
        shape.metadata.get("error", {}).get("code", shape.name): shape.name for shape in model.error_shapes
    }
    name = known.get(code, base or f"{prefix}Exception")
    return f"{prefix}.{name if name.endswith('Exception') else name.removesuffix('Fault') + 'Exception'}"


def call(service: str, action: str, parameters: dict[str, Any] | None, *, base: str | None = None) -> Any:
    """Call one operation as Step Functions would, by its names and with its error names.

    Parameters
    ----------
    service, action
        As in the integration's ARN.
    parameters
        In PascalCase.
    base
        Name of the general exception, where it is not that of the `aws-sdk` integrations.
    """
    from ministack.services import stepfunctions  # noqa: PLC0415

    target = access.client(CLIENT_NAMES.get(service, service))
    operation = action[0].upper() + action[1:]
    model = target.meta.service_model.operation_model(operation)
    try:
        answer = getattr(target, botocore.xform_name(operation))(
            **_recase(parameters or {}, model.input_shape, outward=False)
        )
    except botocore.exceptions.ClientError as error:
        name = _error_name(error.response["Error"]["Code"], target.meta.service_model, service, base)
        raise stepfunctions._ExecutionError(name, error.response["Error"]["Message"]) from error
    except botocore.exceptions.ParamValidationError as error:
        raise stepfunctions._ExecutionError("States.Runtime", str(error)) from error
    answer.pop("ResponseMetadata", None)
    return _recase(answer, model.output_shape, outward=True)


def apply() -> None:
    """Send every `aws-sdk` integration through botocore."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    def invoking(resource: str, parameters: dict[str, Any] | None) -> Any:
        service, action = resource.split(":")[6:8]
        return call(service.lower(), action, parameters)

    stepfunctions._invoke_aws_sdk_integration = invoking
