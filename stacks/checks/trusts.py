"""Whom each role trusts, and whether that is who takes it: a service comes for an account and for one resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.permissions import listed
from stacks.checks.rendering import machines, render

SERVICES = {
    "AWS::Lambda::Function": ("Role", "lambda.amazonaws.com"),
    "AWS::StepFunctions::StateMachine": ("RoleArn", "states.amazonaws.com"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "ExtendedS3DestinationConfiguration.RoleARN",
        "firehose.amazonaws.com",
    ),
}
"""Resources that take a role: where it stands, and who must be trusted."""
RULES = "events.amazonaws.com"
"""Who takes the role of a rule's target."""
SOURCES = {
    "AWS::Lambda::Function": "function:",
    "AWS::StepFunctions::StateMachine": "stateMachine:",
    "AWS::KinesisFirehose::DeliveryStream": "deliverystream/",
}
"""What their ARNs have before the name: services tell for which resource they come."""
EXACT = ("StringEquals",)
LIKE = ("ArnEquals", "ArnLike", "StringLike")
PASSED = "sagemaker.amazonaws.com"
"""To whom the state machines pass roles on."""


def shared(properties: Mapping[str, Any]) -> Iterator[str]:
    """Say who a role trusts beyond the one service that takes it."""
    document = properties["AssumeRolePolicyDocument"]
    if not isinstance(document, Mapping):
        yield f"its trust is {json.dumps(document)}, and no document"
        return
    trusted = {
        str(each)
        for statement in listed(document.get("Statement", []))
        if statement["Effect"] == "Allow" and isinstance(statement.get("Principal"), Mapping)
        for given in statement["Principal"].values()
        for each in listed(given)
    }
    if len(trusted) > 1:
        yield f"it trusts {' and '.join(sorted(trusted))}: a role is for one service"


def untrusted(assembly: Assembly) -> Iterator[str]:
    """Say which role does not trust the service that takes it, or for what it comes."""
    for kind, (where, service) in SERVICES.items():
        for stack, name, resource in assembly.resources(kind):
            role = _at(resource["Properties"], where)
            if not _trusts(assembly, stack, role, service, SOURCES[kind] + name):
                yield f"{stack} {name}: its role does not trust {service}"
    for stack, name, rule in assembly.resources("AWS::Events::Rule"):
        for target in rule["Properties"].get("Targets", []):
            role = _at(target, "RoleArn")
            if role and not _trusts(assembly, stack, role, RULES, f"rule/{name}"):
                yield f"{stack} {name}: its target's role does not trust {RULES}"
    for machine in machines(assembly, REFERENCE):
        for name, task in machine.tasks():
            arguments = task.get("Arguments")
            for key in ("RoleArn", "ExecutionRoleArn") if isinstance(arguments, Mapping) else ():
                role = str(arguments.get(key, "")).rpartition("/")[2] if arguments else ""
                if role and not _trusts(assembly, machine.stack, role, PASSED, "*"):
                    yield f"{machine.stack} {name}: the role that it passes on does not trust {PASSED}"


def _at(properties: Mapping[str, Any], where: str) -> str:
    """Return the logical ID of the role that stands somewhere; none where none of this template does."""
    given: Any = properties
    for part in where.split("."):
        given = given.get(part, {})
    return str(given["Fn::GetAtt"][0]) if isinstance(given, Mapping) and "Fn::GetAtt" in given else ""


def _trusts(assembly: Assembly, stack: str, role: str | None, service: str, source: str) -> bool:
    """Say whether a role trusts a service that comes for one of its resources."""
    resource = assembly.templates[stack]["Resources"].get(role)
    if resource is None or resource["Type"] != "AWS::IAM::Role":
        return False
    document = resource["Properties"]["AssumeRolePolicyDocument"]
    if not isinstance(document, Mapping):
        return False
    return any(
        each["Effect"] == "Allow"
        and "sts:AssumeRole" in listed(each.get("Action", []))
        and service in listed(_services(each))
        and _holds(render(each.get("Condition", {}), assembly.templates[stack], REFERENCE), service, source)
        for each in document["Statement"]
    )


def _services(statement: Mapping[str, Any]) -> Any:
    principal = statement.get("Principal", {})
    return principal.get("Service", []) if isinstance(principal, Mapping) else []


def _holds(conditions: Mapping[str, Mapping[str, Any]], service: str, source: str) -> bool:
    """Say whether a trust's conditions hold for what a service sends along: the account and the resource."""
    arn = f"arn:aws:{service.partition('.')[0]}:{REFERENCE.region}:{REFERENCE.account}:{source}"
    sent = {"aws:sourceaccount": REFERENCE.account, "aws:sourcearn": arn}
    for operator, wanted in conditions.items():
        for key, values in wanted.items():
            given = sent.get(key.lower())
            if given is None or operator not in (*EXACT, *LIKE):
                return False
            match = fnmatchcase if operator in LIKE else str.__eq__
            if not any(match(given, str(each)) for each in listed(values)):
                return False
    return True
