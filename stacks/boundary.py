"""The permissions boundary that some accounts demand of every role."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam


def apply_boundary(stack: cdk.Stack, policy_arn: str) -> None:
    """Put the policy, where one is named, on every role of a stack, CDK's own included."""
    if policy_arn:
        policy = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", policy_arn)
        iam.PermissionsBoundary.of(stack).apply(policy)
