"""What several parts of the workflow ask of the endpoint."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn

from stacks.workflow.context import Context, expression
from stacks.workflow.tasks import State, Tasks

POLL_SECONDS = 10
AT_REST = "$endpointStatus in ['InService', 'Failed', 'OutOfService', 'UpdateRollbackFailed']"
"""Whether an endpoint that there is changes no more: then it can be deleted, or updated where it is in service."""

UNPAUSING = "($start = 'resume' or $pausedAt != '')"
"""Whether a rollout creates the endpoint that a pause took away, and ends the pause; one that fails leaves none."""


def find(make: Tasks, context: Context, name: str) -> State:
    """Make a state that asks for the endpoint's status, in the variable `endpointStatus`: `None` without one."""
    mine = f"$states.result.Endpoints[EndpointName = '{context.prefix}']"
    return make.aws(
        name,
        "sagemaker:listEndpoints",
        {"NameContains": context.prefix, "MaxResults": 100},
        resources=["*"],  # ListEndpoints has no resource
        assign={"endpointStatus": expression(f"$count({mine}) = 0 ? 'None' : {mine}.EndpointStatus")},
    )


def describe(make: Tasks, context: Context, name: str) -> State:
    """Make a state that asks for the endpoint's status, its configuration, and why it failed."""
    return make.aws(
        name,
        "sagemaker:describeEndpoint",
        {"EndpointName": context.prefix},
        resources=[context.arn("sagemaker", f"endpoint/{context.prefix}")],
        assign={
            "endpointStatus": expression("$states.result.EndpointStatus"),
            "liveConfig": expression("$states.result.EndpointConfigName"),
            "endpointFailure": expression(
                "$exists($states.result.FailureReason) ? $states.result.FailureReason : 'no reason was given'"
            ),
        },
    )


def delete(make: Tasks, context: Context, name: str) -> State:
    """Make a state that deletes the endpoint, which ends later."""
    return make.aws(
        name,
        "sagemaker:deleteEndpoint",
        {"EndpointName": context.prefix},
        resources=[context.arn("sagemaker", f"endpoint/{context.prefix}")],
    )


def keep_instances(context: Context) -> dict[str, bool]:
    """Return what keeps the instances that scaling has come to: an update would go back to the first count."""
    return {"RetainAllVariantProperties": True} if context.settings.serving.scaling else {}


def pause(make: Tasks, name: str) -> sfn.Wait:
    """Make a state that waits before the endpoint is looked at again."""
    return sfn.Wait.jsonata(make.scope, name, time=sfn.WaitTime.duration(cdk.Duration.seconds(POLL_SECONDS)))
