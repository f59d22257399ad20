"""AWS's services, let in for what this account has and for nobody else's."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"""


def own_service(name: str) -> iam.ServicePrincipal:
    """Return a service, such as `lambda`, for this account's resources alone.

    Of Lambda a function's ARN cannot be asked for besides, because it assumes the role before there is a function:
    https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html.
    """
    return iam.ServicePrincipal(f"{name}.amazonaws.com", conditions=OF_THIS_ACCOUNT)
