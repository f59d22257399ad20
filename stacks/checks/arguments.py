"""Every Task's arguments against the service's own model: names, types, required members, enums, patterns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from stacks.checks import values
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.model import Model
from stacks.checks.rendering import machines, render, strings
from stacks.checks.result import Result
from stacks.checks.services import integration, service_model
from stacks.checks.values import Known

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
_NOTHING = Known()


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every Task of every state machine."""
    findings = []
    count = 0
    for assembly in assemblies:
        for machine in machines(assembly, REFERENCE):
            known = values.assigned(state for _, state in machine.states())
            for name, task in machine.tasks():
                count += 1
                findings += [f"{machine.stack} {name}: {each}" for each in of_task(task, known)]
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


def of_task(task: Mapping[str, Any], known: Known = _NOTHING) -> Iterator[str]:
    """Say what is wrong with one Task's arguments, with what is known of its state machine's variables."""
    called = integration(str(task["Resource"]))
    given = task.get("Arguments", task.get("Parameters", {}))
    if len(json.dumps(given)) > PAYLOAD:
        yield f"the arguments are larger than {PAYLOAD} bytes"
    yield from (f"{each!r} opens or closes an expression, and does not do both" for each in _halves(given))
    operation = called.model
    if called.function or operation is None or operation.input_shape is None or values.is_expression(given):
        return
    free = {name for where, of, name in FREE if (where, of) == (called.service, operation.name)}
    if isinstance(given, Mapping):
        yield from Model(known, frozenset(free)).wrong(given, operation.input_shape, "")
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
        given = call.get("parameters", {})
        report = ParamValidator().validate(given, shape)
        if report.has_errors():
            yield report.generate_report().replace("\n", "; ")
            return
        # The names are right; what they hold has enumerations, patterns and lengths besides.
        yield from Model(_NOTHING).wrong(_cased(given, shape), shape, "")


def _cased(value: Any, shape: Shape) -> Any:
    """Write the members of structures with capitals, as Step Functions does and the model here wants them."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {key[:1].upper() + key[1:]: _cased(each, shape.members[key]) for key, each in value.items()}
    if isinstance(shape, ListShape):
        return [_cased(each, shape.member) for each in value]
    if isinstance(shape, MapShape):
        return {key: _cased(each, shape.value) for key, each in value.items()}
    return value


def _halves(value: Any) -> Iterator[str]:
    """Yield texts that begin or end as an expression does, and are none."""
    for each in strings(value):
        if each.startswith("{%") != each.endswith("%}"):
            yield each
