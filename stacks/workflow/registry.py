"""What the registry says of a version: asked, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_stepfunctions as sfn

from stacks.workflow.context import JobContext, expression
from stacks.workflow.tasks import State, Tasks

_DESCRIPTION_LIMIT = 1000
"""Characters: SageMaker takes 1,024 in `ApprovalDescription`."""
_DELETED = "SageMaker.SageMakerException"
"""What SageMaker answers of a version that there is no more, among other faults, after which it is tried again."""


def approval(make: Tasks, context: JobContext, name: str, package: str, deleted: sfn.IChainable) -> State:
    """Make a state that assigns a version's status to `approval`, or goes elsewhere; `package` is JSONata."""
    return make.aws(
        name,
        "sagemaker:describeModelPackage",
        {"ModelPackageName": expression(package)},
        resources=[context.packages_arn],
        assign={"approval": expression("$states.result.ModelApprovalStatus")},
        catch={_DELETED: deleted},
    )


def judge(
    make: Tasks,
    context: JobContext,
    name: str,
    status: str,
    said: str,
    *,
    assign: Mapping[str, Any] | None = None,
    package: str = "$package",
    deleted: sfn.IChainable | None = None,
) -> State:
    """Make a state that says in the registry what became of a version, and why; `said` and `package` are JSONata.

    Where the version was deleted, it fails, or goes on to `deleted`.
    """
    return make.aws(
        name,
        "sagemaker:updateModelPackage",
        {
            "ModelPackageArn": expression(package),
            "ModelApprovalStatus": status,
            # SageMaker takes one line.
            "ApprovalDescription": expression(
                f"$substring($replace({said}, /\\s+/, ' '), 0, {_DESCRIPTION_LIMIT})"
            ),
        },
        resources=[context.packages_arn],
        assign=assign,
        catch={_DELETED: deleted} if deleted else None,
    )
