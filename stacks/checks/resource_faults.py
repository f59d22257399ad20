"""Faults in resources that CloudFormation takes: doors left open, numbers that a service refuses, things mixed up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.changes import Change, always, at, without
from stacks.checks.openness import POLICIES

Made = Iterator[tuple[str, str, Change]]


def of_policies(template: Mapping[str, Any]) -> Made:
    """Yield doors that are open wider than they should be."""
    for name, resource in template["Resources"].items():
        path = ["Resources", name, "Properties"]
        where = {**POLICIES, "AWS::IAM::Policy": "PolicyDocument"}.get(resource["Type"], "")
        for number, statement in enumerate(
            resource.get("Properties", {}).get(where, {}).get("Statement", [])
        ):
            if statement["Effect"] == "Allow":
                here = [*path, where, "Statement", number]
                yield from _of_statement(f"{name} {number}", here, resource["Type"], statement)


def _of_statement(where: str, path: list[Any], kind: str, statement: Mapping[str, Any]) -> Made:
    yield "everything but what is named", f"{where} NotAction", _instead(path, "Action", "s3:DeleteBucket")
    if kind == "AWS::IAM::Policy":
        own = "arn:aws:s3:::own/*"
        yield "everything but what is named", f"{where} NotResource", _instead(path, "Resource", own)
        return
    yield "anybody let in", where, _anybody(path)
    stranger = always({"AWS": "arn:aws:iam::210987654321:root"})
    yield "another account let in", where, at([*path, "Principal"], stranger)
    if "Condition" in statement:
        yield "a service let in for whoever asks", where, without(path, "Condition")
        everybody = always({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}})
        yield "a service let in for whoever asks", f"{where} pattern", at([*path, "Condition"], everybody)
    if kind == "AWS::KMS::Key" and "Condition" not in statement:
        yield "a key that its account cannot manage", where, at([*path, "Action"], always("kms:Decrypt"))


def _instead(path: list[Any], key: str, value: str) -> Change:
    """Name what a statement is not about, instead of what it is."""

    def change(template: Any) -> None:
        statement = template
        for part in path:
            statement = statement[part]
        statement.pop(key, None)
        statement[f"Not{key}"] = value

    return change


def _anybody(path: list[Any]) -> Change:
    def change(template: Any) -> None:
        without(path, "Condition")(template)
        at([*path, "Principal"], always({"AWS": "*"}))(template)

    return change


def of_resource(name: str, path: list[Any], kind: str, properties: Mapping[str, Any]) -> Made:
    """Yield values that CloudFormation takes, and the service does not or nobody can use."""
    if kind == "AWS::Lambda::Function":
        yield from _of_function(name, path, properties)


def _of_function(name: str, path: list[Any], properties: Mapping[str, Any]) -> Made:
    variables = properties.get("Environment", {}).get("Variables", {})
    if "ENDPOINT_NAME" in variables:
        yield "a function that is cut off", name, without(path, "Timeout")
    if "CONCURRENCY" in variables:
        yield "a function that is cut off", name, at([*path, "Timeout"], always(60))
