"""Put the registered model behind the endpoint, try it, and only then call it champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.workflow import shadow
from stacks.workflow.champion import record
from stacks.workflow.context import Context, expression
from stacks.workflow.endpoint import UNPAUSING, delete, describe, find, keep_instances, pause
from stacks.workflow.outcome import fail
from stacks.workflow.pause import forget
from stacks.workflow.register import endpoint_config
from stacks.workflow.scaling import Scaling, off, scale
from stacks.workflow.tasks import State, Tasks, seconds
from stacks.workflow.undo import IN_WORDS, Undo, approve, leave, undo


@dataclass(frozen=True)
class Rollout:
    """
    Where a rollout can be entered.

    Parameters
    ----------
    configure
        With a model that has no endpoint configuration yet.
    guard
        With one that has.
    look
        The same, without regard to ringing alarms.
    scale
        With a champion that serves already.
    """

    configure: sfn.IChainable
    guard: sfn.IChainable
    look: sfn.IChainable
    scale: sfn.IChainable


def deploy(make: Tasks, context: Context, done: sfn.IChainable, failed: sfn.IChainable) -> Rollout:
    """Create the endpoint or update it, wait, smoke-test, record; undo it all when something fails."""
    scaling = scale(make, context, done, failed)
    undoing = undo(make, context, scaling.again)
    ringing = make.aws(
        "ReadGuardAlarms",
        "cloudwatch:describeAlarms",
        {"AlarmNames": [alarm.alarm_name for alarm in context.alarms], "StateValue": "ALARM"},
        # DescribeAlarms filters after authorising: no single alarm can be its resource.
        resources=[context.arn("cloudwatch", "alarm:*")],
        assign={"ringing": expression("[$states.result.MetricAlarms.AlarmName]")},
    )
    changing = make.leading_to(scaling.again)
    look = find(changing, context, "FindEndpoint")
    unscaled = off(changing, context, "StopScaling", look)
    alarmed = sfn.Choice.jsonata(make.scope, "GuardAlarmRinging")
    alarmed.when(
        # Going back is what a ringing alarm asks for.
        sfn.Condition.jsonata(
            expression("$count($ringing) > 0 and ($start != 'rollback' or $reason = 'promote')")
        ),
        fail(
            make,
            "RefuseRollout",
            "GuardAlarmError",
            "'A guard alarm is ringing: ' & $join($ringing, ', ')",
            undoing.reject,
        ),
    ).otherwise(unscaled)
    look.next(_create_or_update(changing, context, look, _arrive(make, context, scaling, undoing)))
    configure = endpoint_config(make, context).next(ringing)
    ringing.next(alarmed)
    return Rollout(configure, ringing, unscaled, scaling.on)


def _create_or_update(make: Tasks, context: Context, look: State, wait: sfn.IChainable) -> sfn.Choice:
    both = [
        context.arn("sagemaker", f"endpoint/{context.prefix}"),
        context.arn("sagemaker", f"endpoint-config/{context.prefix}-*"),
    ]
    named = {"EndpointName": context.prefix, "EndpointConfigName": expression("$config")}
    create = make.aws(
        "CreateEndpoint", "sagemaker:createEndpoint", {**named, "Tags": context.tags}, resources=both
    )
    kept = {**named, **keep_instances(context)}
    update = make.aws(
        "UpdateEndpoint",
        "sagemaker:updateEndpoint",
        {**kept, "DeploymentConfig": _deployment(context)},
        resources=both,
    )
    # A ringing alarm would undo a rollback, which is to silence it.
    at_once = make.aws("UpdateEndpointUnguarded", "sagemaker:updateEndpoint", kept, resources=both)
    remove = delete(make, context, "DeleteFailedEndpoint")
    settle = pause(make, "WaitForEndpointToSettle")
    choose = sfn.Choice.jsonata(make.scope, "CreateOrUpdate")

    def status(value: str, more: str = "") -> sfn.Condition:
        return sfn.Condition.jsonata(expression(f"$endpointStatus = '{value}'{more}"))

    choose.when(status("None"), create)
    choose.when(status("InService", " and $start = 'resume'"), wait)  # a resumption went so far before
    choose.when(status("InService", " and $count($ringing) > 0"), at_once)
    choose.when(status("InService"), update)
    choose.when(
        sfn.Condition.jsonata(
            expression("$endpointStatus in ['Failed', 'OutOfService', 'UpdateRollbackFailed']")
        ),
        remove,
    )
    choose.otherwise(settle)
    for state in (create, update, at_once):
        state.next(wait)
    remove.next(settle)
    settle.next(look)
    return choose


def _arrive(make: Tasks, context: Context, scaling: Scaling, undoing: Undo) -> sfn.IChainable:
    """Wait for the endpoint; smoke-test what it serves, and record it."""
    done, failed = scaling.on, scaling.again
    # From here on the endpoint may serve the new model: what fails must put the champion back.
    rolling = make.leading_to(undoing.start, caught=IN_WORDS)
    wait = pause(make, "WaitForEndpoint")
    ask = describe(rolling, context, "DescribeEndpoint")
    same = "$package = $champion.model_package_arn"
    unpause = forget(make, context).next(done)
    tried = sfn.Choice.jsonata(make.scope, "ChampionOrAnother")
    tried.when(sfn.Condition.jsonata(expression(f"{same} and {UNPAUSING}")), unpause)
    tried.when(
        # A run that was ended has left it: it stays what it was said to be, on trial or not, approved or not.
        sfn.Condition.jsonata(expression(same)),
        sfn.Pass.jsonata(make.scope, "ChampionRestored", assign={"status": "settled"}).next(done),
    )
    ending = sfn.Choice.jsonata(make.scope, "Unpausing")
    ending.when(sfn.Condition.jsonata(expression(UNPAUSING)), unpause).otherwise(done)
    # Once it is recorded, the model is the champion, whatever fails.
    served = make.leading_to(failed, caught=IN_WORDS)
    approved = approve(served, context).next(leave(served, context, ending))
    tried.otherwise(record(rolling, context).next(approved))
    arrived = sfn.Choice.jsonata(make.scope, "EndpointInService")
    shadowing = sfn.Choice.jsonata(make.scope, "Shadowing")
    shadowing.when(
        sfn.Condition.jsonata(expression(shadow.ALONE)), _smoke(rolling, context).next(tried)
    ).otherwise(shadow.stay(rolling, context).next(done))
    arrived.when(
        sfn.Condition.jsonata(expression("$endpointStatus = 'InService' and $liveConfig = $config")),
        shadowing,
    )
    arrived.when(
        sfn.Condition.jsonata(
            expression("$endpointStatus in ['InService', 'Failed', 'UpdateRollbackFailed']")
        ),
        fail(
            make,
            "RolloutFailed",
            "RolloutError",
            "'The endpoint kept or lost its model: ' & $endpointFailure",
            undoing.start,
        ),
    )
    arrived.otherwise(wait)
    wait.next(ask)
    ask.next(arrived)
    return wait


def _deployment(context: Context) -> dict[str, Any]:
    serving = context.settings.serving
    bake = serving.bake_minutes * 60
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": bake}
    if serving.instance_count >= 2:
        canary = {"Type": "INSTANCE_COUNT", "Value": 1}
        routing = {"Type": "CANARY", "CanarySize": canary, "WaitIntervalInSeconds": bake}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": bake,
            "MaximumExecutionTimeoutInSeconds": 3600 + 2 * bake,
        },
        "AutoRollbackConfiguration": {
            "Alarms": [{"AlarmName": alarm.alarm_name} for alarm in context.alarms]
        },
    }


def _smoke(make: Tasks, context: Context) -> State:
    task = tasks.LambdaInvoke.jsonata(
        make.scope,
        "SmokeTest",
        lambda_function=context.smoke_test,
        payload=sfn.TaskInput.from_object(
            {
                "evaluation_uri": expression("$evaluation"),
                "test_uri": context.dataset_uri("$version & '/test/'"),
            }
        ),
        payload_response_only=True,
        retry_on_service_exceptions=False,
        task_timeout=seconds(300),
    )
    return make.finish(task, "lambda")
