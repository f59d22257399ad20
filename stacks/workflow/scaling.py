"""Automatic scaling of the endpoint: off before the endpoint changes, on again when a model serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import VARIANT
from stacks.settings.scaling import ScalingSettings
from stacks.workflow.context import Context, expression
from stacks.workflow.endpoint import UNPAUSING
from stacks.workflow.outcome import CAUSE
from stacks.workflow.tasks import State, Tasks

SERVICE = "applicationautoscaling"
METRIC = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
"""Requests that an instance works on at once, every ten seconds:
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html"""
NONE = "ApplicationAutoScaling.ObjectNotFoundException"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
PRINCIPAL = "sagemaker.application-autoscaling.amazonaws.com"
ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


@dataclass(frozen=True)
class Scaling:
    """
    Where scaling is switched on.

    Parameters
    ----------
    on
        After a rollout or a resumption; the run ends well then.
    again
        After a failure that may have left a champion without it; the run fails then.
    """

    on: sfn.IChainable
    again: sfn.IChainable


def off(make: Tasks, context: Context, name: str, then: sfn.IChainable) -> State:
    """Make a state that takes the endpoint's scaling away, with its policy and its schedule, and goes on.

    Whatever the settings say: earlier ones may have asked for scaling, which outlives a paused endpoint, and SageMaker
    refuses an update that changes the instance type of what is scaled.
    """
    state = _call(make, context, name, "DeregisterScalableTarget", {}, catch={NONE: then})
    state.next(then)
    return state


def begin(context: Context) -> dict[str, Any]:
    """Return what a run's variables begin with, so that scaling can tell whether it follows a failure."""
    return {"status": "", "failure": {"Error": "", "Cause": ""}} if context.settings.serving.scaling else {}


def scale(make: Tasks, context: Context, done: sfn.IChainable, failed: sfn.IChainable) -> Scaling:
    """Register the endpoint for scaling, with a policy and a schedule, where the settings ask for it."""
    scaling = context.settings.serving.scaling
    if scaling is None:
        return Scaling(done, failed)
    error = "$states.errorOutput"
    added = f"{CAUSE} & ' The endpoint could not be scaled again: ' & {error}.Error"
    making = make.leading_to(
        failed,
        # The first failure stays the run's.
        caught={
            "failure": expression(
                f"$failure.Error = '' ? {error} : {{'Error': $failure.Error, 'Cause': {added}}}"
            )
        },
    )
    ended = sfn.Choice.jsonata(make.scope, "ScaledAfter")
    ended.when(sfn.Condition.jsonata(expression("$failure.Error = ''")), done).otherwise(failed)
    first, *others = _switch_on(making, context, scaling)
    last = first
    for state in others:
        last = last.next(state)
    last.next(ended)
    again = sfn.Choice.jsonata(make.scope, "ScaleAgain")
    again.when(
        # A first model's endpoint is deleted, and one that was to end a pause.
        sfn.Condition.jsonata(expression(f"$champion.run != '' and $not({UNPAUSING})")),
        first,
    ).otherwise(failed)
    _grant(make, context)
    return Scaling(first, again)


def _switch_on(make: Tasks, context: Context, scaling: ScalingSettings) -> list[Any]:
    bounds = {"MinCapacity": scaling.minimum_instances, "MaxCapacity": scaling.maximum_instances}
    policy = {
        "PolicyName": "concurrency",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": scaling.target_concurrency,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
            "ScaleOutCooldown": scaling.scale_out_cooldown_seconds,
            "ScaleInCooldown": scaling.scale_in_cooldown_seconds,
        },
    }
    states = [
        _call(make, context, "RegisterScaling", "RegisterScalableTarget", bounds),
        _call(make, context, "TrackConcurrency", "PutScalingPolicy", policy, retried=[NONE]),
    ]
    if scaling.night is not None:
        night = scaling.night
        for name, at, minimum in (
            ("night", night.start, night.minimum_instances),
            ("day", night.end, scaling.minimum_instances),
        ):
            hour, minute = (int(part) for part in at.split(":"))
            action = {
                "ScheduledActionName": name,
                "Schedule": f"cron({minute} {hour} * * ? *)",
                "Timezone": night.timezone,
                "ScalableTargetAction": {"MinCapacity": minimum},
            }
            state = f"Schedule{name.capitalize()}"
            states.append(_call(make, context, state, "PutScheduledAction", action, retried=[NONE]))
    return states


def _call(
    make: Tasks,
    context: Context,
    name: str,
    operation: str,
    arguments: Mapping[str, Any],
    *,
    catch: Mapping[str, sfn.IChainable] | None = None,
    retried: Sequence[str] = (),
) -> State:
    """Make a task about the variant; CDK's own would grant it on the targets of every service.

    `retried` are errors to retry besides: a target that was registered is there a moment later.
    """
    state = sfn.CustomState(
        make.scope,
        name,
        state_json={
            "Type": "Task",
            "Resource": (
                f"arn:{cdk.Aws.PARTITION}:states:::aws-sdk:{SERVICE}:{operation[0].lower()}{operation[1:]}"
            ),
            "Arguments": {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": DIMENSION,
                "ResourceId": f"endpoint/{context.prefix}/variant/{VARIANT}",
                **arguments,
            },
            "TimeoutSeconds": 60,
        },
    )
    make.grant(allowed(context, operation))
    return make.finish(state, SERVICE, catch=catch, retried=retried)


def allowed(context: Context, *operations: str) -> iam.PolicyStatement:
    """Return the statement that allows operations on scalable targets: of SageMaker, for their ids are not ours."""
    return iam.PolicyStatement(
        actions=[f"application-autoscaling:{operation}" for operation in operations],
        resources=[context.arn("application-autoscaling", "scalable-target/*")],
        conditions={
            "StringEquals": {
                "application-autoscaling:service-namespace": "sagemaker",
                "application-autoscaling:scalable-dimension": DIMENSION,
            }
        },
    )


def _grant(make: Tasks, context: Context) -> None:
    """Allow what Application Auto Scaling asks of whoever switches scaling on.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html.
    """
    endpoint = context.arn("sagemaker", f"endpoint/{context.prefix}")
    alarms = f"alarm:TargetTracking-endpoint/{context.prefix}/variant/*"
    linked = f"arn:{cdk.Aws.PARTITION}:iam::{cdk.Aws.ACCOUNT_ID}:role/aws-service-role/{PRINCIPAL}/{ROLE}"
    for actions, resource, conditions in (
        (["sagemaker:UpdateEndpointWeightsAndCapacities"], endpoint, {}),
        (
            ["sagemaker:DescribeEndpointConfig"],
            context.arn("sagemaker", f"endpoint-config/{context.prefix}-*"),
            {},
        ),
        (
            [f"cloudwatch:{action}" for action in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms")],
            context.arn("cloudwatch", alarms),
            {},
        ),
        (
            # Once in an account, for the role that scales is the service's own.
            ["iam:CreateServiceLinkedRole"],
            linked,
            {"StringEquals": {"iam:AWSServiceName": PRINCIPAL}},
        ),
    ):
        make.grant(iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions))
