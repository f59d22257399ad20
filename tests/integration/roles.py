"""Roles for tests that are not about roles, and for those that are; what a cloud's log of access says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from localcloud.instance import ACCESS_LOG, ACCOUNT, Instance

SERVICES = tuple(f"{name}.amazonaws.com" for name in ("firehose", "lambda", "sagemaker", "states"))
EVERYTHING = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)


def make_role(
    instance: Instance,
    name: str,
    statements: tuple[dict[str, Any], ...] = EVERYTHING,
    services: tuple[str, ...] = SERVICES,
) -> str:
    """Make a role that services may assume, and return its ARN."""
    iam = instance.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": list(services)}}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.put_role_policy(
        RoleName=name, PolicyName="own", PolicyDocument=json.dumps({"Statement": list(statements)})
    )
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def access(instance: Instance) -> Iterator[dict[str, Any]]:
    """Yield the entries of a cloud's log of access."""
    with (instance.directory / ACCESS_LOG).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def denials(instance: Instance) -> list[str]:
    """Say what was denied to whom."""
    return [
        f"{each['role']}: {each['action']} on {each['resource']}"
        for each in access(instance)
        if each.get("allowed") is False
    ]
