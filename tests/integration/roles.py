"""Roles for tests that are not about roles, and for those that are."""

from __future__ import annotations

import json
from typing import Any

from localcloud.instance import ACCOUNT, Instance

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
