"""Put the registered model behind the endpoint, try it, and only then call it champion."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.register import endpoint_config
from stacks.workflow.tasks import State, Tasks, seconds

POLL_SECONDS = 10


def _fail(make: Tasks, name: str, error: str, cause: str, failed: sfn.IChainable) -> sfn.IChainable:
    """Make a state that fails the run for a reason of our own, by the one failure path."""
    state = sfn.Pass.jsonata(
        make.scope, name, assign={"failure": {"Error": error, "Cause": expression(cause)}}
    )
    return state.next(failed)


def _deployment(context: Context) -> dict[str, Any]:
    serving = context.settings.serving
    bake = serving.bake_minutes * 60
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": bake}
    if serving.instance_count >= 2:
        canary = {"Type": "INSTANCE_COUNT", "Value": 1}
        routing = {"Type": "CANARY", "CanarySize": canary, "WaitIntervalInSeconds": max(bake, 60)}
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


def deploy(make: Tasks, context: Context, done: sfn.IChainable, failed: sfn.IChainable) -> sfn.IChainable:
    """Create the endpoint or update it, wait, smoke-test, record."""
    endpoint = context.prefix
    endpoint_arn = context.arn("sagemaker", f"endpoint/{endpoint}")
    ringing = make.aws(
        "ReadGuardAlarms",
        "cloudwatch:describeAlarms",
        {"AlarmNames": [alarm.alarm_name for alarm in context.alarms], "StateValue": "ALARM"},
        # DescribeAlarms filters after authorising: no single alarm can be its resource.
        resources=[context.arn("cloudwatch", "alarm:*")],
        assign={"ringing": expression("[$states.result.MetricAlarms.AlarmName]")},
    )
    look = make.aws(
        "FindEndpoint",
        "sagemaker:listEndpoints",
        {"NameContains": endpoint, "MaxResults": 100},
        resources=["*"],  # ListEndpoints has no resource
        assign={
            "endpointStatus": expression(
                f"$count($states.result.Endpoints[EndpointName = '{endpoint}']) = 0 ? 'None' : "
                f"$states.result.Endpoints[EndpointName = '{endpoint}'].EndpointStatus"
            )
        },
    )
    create = make.aws(
        "CreateEndpoint",
        "sagemaker:createEndpoint",
        {"EndpointName": endpoint, "EndpointConfigName": expression("$model"), "Tags": context.tags},
        resources=[endpoint_arn, context.arn("sagemaker", f"endpoint-config/{context.prefix}-*")],
    )
    update = make.aws(
        "UpdateEndpoint",
        "sagemaker:updateEndpoint",
        {
            "EndpointName": endpoint,
            "EndpointConfigName": expression("$model"),
            "DeploymentConfig": _deployment(context),
        },
        resources=[endpoint_arn, context.arn("sagemaker", f"endpoint-config/{context.prefix}-*")],
    )
    remove = make.aws(
        "DeleteFailedEndpoint",
        "sagemaker:deleteEndpoint",
        {"EndpointName": endpoint},
        resources=[endpoint_arn],
    )
    settle = sfn.Wait.jsonata(
        make.scope, "WaitForEndpointToSettle", time=sfn.WaitTime.duration(cdk.Duration.seconds(POLL_SECONDS))
    )
    wait = sfn.Wait.jsonata(
        make.scope, "WaitForEndpoint", time=sfn.WaitTime.duration(cdk.Duration.seconds(POLL_SECONDS))
    )
    ask = make.aws(
        "DescribeEndpoint",
        "sagemaker:describeEndpoint",
        {"EndpointName": endpoint},
        resources=[endpoint_arn],
        assign={
            "endpointStatus": expression("$states.result.EndpointStatus"),
            "liveConfig": expression("$states.result.EndpointConfigName"),
            "endpointFailure": expression(
                "$exists($states.result.FailureReason) ? $states.result.FailureReason : 'no reason was given'"
            ),
        },
    )
    choose = sfn.Choice.jsonata(make.scope, "CreateOrUpdate")

    def status(value: str) -> sfn.Condition:
        return sfn.Condition.jsonata(expression(f"$endpointStatus = '{value}'"))

    choose.when(status("None"), sfn.Chain.start(create).next(wait))
    choose.when(status("InService"), sfn.Chain.start(update).next(wait))
    choose.when(status("Failed"), sfn.Chain.start(remove).next(settle))
    choose.otherwise(settle)
    settle.next(look)
    alarmed = sfn.Choice.jsonata(make.scope, "GuardAlarmRinging")
    alarmed.when(
        sfn.Condition.jsonata(expression("$count($ringing) > 0")),
        _fail(
            make,
            "RefuseRollout",
            "GuardAlarmError",
            "'A guard alarm is ringing: ' & $join($ringing, ', ')",
            failed,
        ),
    ).otherwise(look)
    sfn.Chain.start(look).next(choose)
    arrived = sfn.Choice.jsonata(make.scope, "EndpointInService")
    arrived.when(
        sfn.Condition.jsonata(expression("$endpointStatus = 'InService' and $liveConfig = $model")),
        sfn.Chain.start(_smoke(make, context)).next(_record(make, context)).next(done),
    )
    arrived.when(
        sfn.Condition.jsonata(
            expression("$endpointStatus in ['InService', 'Failed', 'UpdateRollbackFailed']")
        ),
        _fail(
            make,
            "RolloutFailed",
            "RolloutError",
            "'The endpoint kept or lost its model: ' & $endpointFailure",
            failed,
        ),
    )
    arrived.otherwise(wait)
    sfn.Chain.start(wait).next(ask).next(arrived)
    return sfn.Chain.start(endpoint_config(make, context)).next(ringing).next(alarmed)


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


def _record(make: Tasks, context: Context) -> State:
    def text(value: str) -> tasks.DynamoAttributeValue:
        return tasks.DynamoAttributeValue.from_string(value)

    task = tasks.DynamoPutItem.jsonata(
        make.scope,
        "RecordChampion",
        table=context.table,
        item={
            "id": text("champion"),
            "run": text(expression(RUN)),
            "execution_arn": text(expression("$states.context.Execution.Id")),
            "model_name": text(expression("$model")),
            "evaluation_model": text(expression("$evaluationModel")),
            "model_package_arn": text(expression("$package")),
            "endpoint_config_name": text(expression("$model")),
            "dataset_version": text(expression("$version")),
            "training_artifact": text(expression("$trainingArtifact")),
            "evaluation_uri": text(expression("$evaluation")),
            "training_fingerprint": text(context.training_fingerprint),
            "serving_fingerprint": text(context.serving_fingerprint),
            "accuracy": tasks.DynamoAttributeValue.number_from_string(expression("$string($gate.accuracy)")),
            "recorded_at": text(expression("$now()")),
        },
        task_timeout=seconds(30),
    )
    return make.finish(task, "dynamodb")
