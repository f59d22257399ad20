"""Every Task's arguments against the service's own model: names, types, required members, enums, patterns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonata
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines, render, strings
from stacks.checks.result import Result
from stacks.checks.services import integration, service_model

FREE = {("sqs", "SendMessage", "MessageBody"), ("sns", "Publish", "Message")}
"""Optimized integrations that take any JSON where the service takes text."""
PAYLOAD = 262_144
"""Bytes that a state's data may have: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
EVENTS = {"Create", "Update", "Delete"}
SDK_NAMES = {
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "cloudwatchevents": "events",
    "sfn": "stepfunctions",
    "cognitoidentityserviceprovider": "cognito-idp",
    "elasticloadbalancingv2": "elbv2",
}
"""Services that AWS's SDK for JavaScript calls otherwise than botocore does, without hyphens."""
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
        for stack, name, resource in assembly.resources("Custom::AWS"):
            for event in EVENTS & set(resource["Properties"]):
                count += 1
                call = json.loads(
                    str(render(resource["Properties"][event], assembly.templates[stack], REFERENCE))
                )
                findings += [f"{stack} {name} {event}: {each}" for each in of_custom(call)]
    return Result(
        "arguments", "Tasks and custom resources against the services' models", count, tuple(findings)
    )


def of_task(task: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with one Task's arguments."""
    called = integration(str(task["Resource"]))
    given = task.get("Arguments", task.get("Parameters", {}))
    if len(json.dumps(given)) > PAYLOAD:
        yield f"the arguments are larger than {PAYLOAD} bytes"
    yield from (f"{each!r} opens or closes an expression, and does not do both" for each in _halves(given))
    operation = called.model
    if called.function or operation is None or operation.input_shape is None or _opaque(given):
        return
    free = {name for where, of, name in FREE if (where, of) == (called.service, operation.name)}
    if isinstance(given, Mapping):
        yield from _wrong({k: v for k, v in given.items() if k not in free}, operation.input_shape, "", free)
    else:
        yield "the arguments must be an object"


def of_custom(call: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with the call of a custom resource of CDK, which speaks as AWS's SDK for JavaScript does."""
    name = str(call.get("service", "")).removeprefix("@aws-sdk/client-").replace("-", "").lower()
    service = service_model(SDK_NAMES.get(name, name))
    if service is None:
        yield f"there is no service {call.get('service')!r}"
        return
    action = str(call.get("action", "")).removesuffix("Command")
    operation = action[:1].upper() + action[1:]
    if operation not in service.operation_names:
        yield f"there is no operation {call.get('service')}:{action}"
        return
    shape = service.operation_model(operation).input_shape
    if shape is not None:
        report = ParamValidator().validate(call.get("parameters", {}), shape)
        if report.has_errors():
            yield report.generate_report().replace("\n", "; ")


def _halves(value: Any) -> Iterator[str]:
    """Yield texts that begin or end as an expression does, and are none."""
    for each in strings(value):
        if each.startswith("{%") != each.endswith("%}"):
            yield each


def _opaque(value: Any) -> bool:
    """Say whether only a run knows a value."""
    return isinstance(value, str) and value.startswith("{%") and constant(value) is None


def constant(value: str) -> Any:
    """Return what an expression gives that reads nothing of the workflow; None where it reads or fails."""
    text = value[2:-2].strip()
    if not value.endswith("%}") or "$" in text:
        return None
    try:
        return jsonata.Jsonata(text).evaluate(None)
    except jsonata.JException:
        return None


def _wrong(value: Any, shape: Shape, path: str, given_elsewhere: set[str]) -> Iterator[str]:
    if _opaque(value):
        return
    if isinstance(value, str) and value.startswith("{%"):
        value = constant(value)
    if isinstance(shape, StructureShape):
        yield from _in_structure(value, shape, path, given_elsewhere)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{path or 'the arguments'} must be a list"
            return
        yield from _of_size(len(value), shape, path, f"a list of {len(value)}")
        for number, each in enumerate(value):
            yield from _wrong(each, shape.member, f"{path}[{number}]", set())
    elif isinstance(shape, MapShape):
        if not isinstance(value, Mapping):
            yield f"{path} must be a map"
            return
        yield from _of_size(len(value), shape, path, f"a map of {len(value)}")
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
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        size = len(value) if isinstance(value, str) else value
        yield from _of_size(size, shape, path, repr(value)[:80])
    allowed = getattr(shape, "enum", [])
    if allowed and value not in allowed:
        yield f"{path} is {value!r}, which the service does not know"
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str) and not _matches(pattern, value):
        yield f"{path} is {value!r} and does not match {pattern}"


def _of_size(size: float, shape: Shape, path: str, shown: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{path} is {shown}, outside {least}…{most}"


def _matches(pattern: str, value: str) -> bool:
    """Say whether all of a value matches, as AWS's services read their patterns."""
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # written in another dialect of regular expressions
        return True
