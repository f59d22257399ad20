"""Every Task's arguments against the service's own model: names, types, required members, enums, patterns."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines
from stacks.checks.result import Result

SERVICES = {"sfn": "stepfunctions"}
"""Services that botocore names otherwise than Step Functions does."""
FREE = {("sqs", "SendMessage", "MessageBody"), ("sns", "Publish", "Message")}
"""Optimized integrations that take any JSON where the service takes text."""
ERRORS = {
    "dynamodb": ("DynamoDB.",),
    "lambda": ("Lambda.",),
    "sagemaker": ("SageMaker.",),
    "sns": ("SNS.",),
    "sqs": ("SQS.", "Sqs."),
    "aws-sdk:cloudwatch": ("CloudWatch.",),
    "aws-sdk:firehose": ("Firehose.",),
    "aws-sdk:s3": ("S3.",),
    "aws-sdk:sagemaker": ("SageMaker.",),
    "aws-sdk:sfn": ("Sfn.",),
}
"""How the names of an integration's errors begin; its own functions' errors have no prefix."""
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every Task of every state machine."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            for name, task in machine.tasks():
                count += 1
                findings += [f"{machine.stack} {name}: {each}" for each in of_task(task)]
    return Result("arguments", "Tasks against the services' models", count, tuple(findings))


def of_task(task: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with one Task."""
    resource = str(task["Resource"])
    if ":lambda:" in resource:
        yield from _errors(task, "lambda")
        return
    integration = resource.partition(":states:::")[2].partition(".")[0]
    service, _, action = integration.rpartition(":")
    operation = _operation(service.removeprefix("aws-sdk:"), action)
    if operation is None:
        yield f"there is no operation {integration}"
        return
    yield from _errors(task, service)
    if "TimeoutSeconds" not in task:
        yield "it has no TimeoutSeconds"
    given = task.get("Arguments", task.get("Parameters", {}))
    shape = operation.input_shape
    if shape is not None and not _opaque(given):
        free = {name for where, of, name in FREE if (where, of) == (service, operation.name)}
        yield from _wrong({k: v for k, v in given.items() if k not in free}, shape, "", free)


@functools.cache
def _operation(service: str, action: str) -> OperationModel | None:
    session = botocore.session.get_session()
    name = SERVICES.get(service, service)
    if name not in session.get_available_services():
        return None
    model = session.get_service_model(name)
    wanted = action[:1].upper() + action[1:]
    # Step Functions writes an action in camel case: another spelling is another, unknown one.
    known = action[:1].islower() and wanted in model.operation_names
    return model.operation_model(wanted) if known else None


def _errors(task: Mapping[str, Any], service: str) -> Iterator[str]:
    prefixes = (*ERRORS.get(service, ()), "States.")
    for rule in (*task.get("Retry", []), *task.get("Catch", [])):
        for error in rule["ErrorEquals"]:
            own = service == "lambda" and "." not in error
            if not own and not error.startswith(prefixes):
                yield f"{service} has no error {error}"


def _opaque(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{%")


def _wrong(value: Any, shape: Shape, path: str, given_elsewhere: set[str]) -> Iterator[str]:
    if _opaque(value):
        return
    if isinstance(shape, StructureShape):
        yield from _in_structure(value, shape, path, given_elsewhere)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{path or 'the arguments'} must be a list"
            return
        for number, each in enumerate(value):
            yield from _wrong(each, shape.member, f"{path}[{number}]", set())
    elif isinstance(shape, MapShape):
        if not isinstance(value, Mapping):
            yield f"{path} must be a map"
            return
        for key, each in value.items():
            yield from _wrong(each, shape.value, f"{path}.{key}", set())
    elif shape.type_name in _TYPES:
        yield from _in_scalar(value, shape, path)


def _in_structure(value: Any, shape: StructureShape, path: str, elsewhere: set[str]) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path or 'the arguments'} must be an object"
        return
    # Step Functions wants every member's first letter large, whatever the service does; DynamoDB's are.
    members = {name[:1].upper() + name[1:]: member for name, member in shape.members.items()}
    for name, each in value.items():
        if name not in members:
            yield f"{path}.{name} is unknown to the service".lstrip(".")
        else:
            yield from _wrong(each, members[name], f"{path}.{name}".lstrip("."), set())
    for name in shape.required_members:
        if name[:1].upper() + name[1:] not in {*value, *elsewhere}:
            yield f"{path}.{name} is missing".lstrip(".")


def _in_scalar(value: Any, shape: Shape, path: str) -> Iterator[str]:
    wanted = _TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        yield f"{path} is {value!r} and must be a {shape.type_name}"
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    size = len(value) if isinstance(value, str) else value
    if not isinstance(value, bool) and (
        (least is not None and size < least) or (most is not None and size > most)
    ):
        yield f"{path} is {value!r}, outside {least}…{most}"
    allowed = getattr(shape, "enum", [])
    if allowed and value not in allowed:
        yield f"{path} is {value!r}, which the service does not know"
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str) and not _matches(pattern, value):
        yield f"{path} is {value!r} and does not match {pattern}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # written in another dialect of regular expressions
        return True
