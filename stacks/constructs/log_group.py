"""Log groups that go with their stack."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(
    scope: Construct, construct_id: str, retention_days: int, name: str | None = None
) -> logs.LogGroup:
    """Make a log group with a retention in days; CloudFormation names it where nobody does."""
    group = logs.LogGroup(scope, construct_id, log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)  # noqa: S101  # narrows the type
    resource.retention_in_days = retention_days
    return group


def machine_log_group(scope: Construct, construct_id: str, retention_days: int) -> logs.LogGroup:
    """Make the log group of a construct's state machine.

    For each such group with another name Step Functions adds to a policy of 5,120 characters, of which an account has
    one in a region; when that is full, no state machine that logs can be created:
    https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    name = f"/aws/vendedlogs/states/{cdk.Stack.of(scope).stack_name}/{scope.node.id}"
    return log_group(scope, construct_id, retention_days, name)
