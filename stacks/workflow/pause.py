"""Switch the endpoint off, and on again with the same model; while it is off, nothing trains."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.workflow import endpoint
from stacks.workflow.context import Context, expression
from stacks.workflow.items import put, texts
from stacks.workflow.scaling import off
from stacks.workflow.tasks import State, Tasks, seconds

KEY = texts({"id": "paused"})


def read(make: Tasks, context: Context) -> State:
    """Make a state that asks whether the endpoint is paused: `pausedAt` is empty when it is not."""
    at = "$states.result.Item.paused_at.S"
    return make.read_item(
        "ReadPaused", context.table, "paused", {"pausedAt": expression(f"$exists({at}) ? {at} : ''")}
    )


def pause(make: Tasks, context: Context, done: sfn.IChainable) -> sfn.IChainable:
    """Delete the endpoint, wait until it is gone, and record that it is meant to be."""
    find = endpoint.find(make, context, "FindEndpointToPause")
    remove = endpoint.delete(make, context, "DeletePausedEndpoint")
    wait = endpoint.pause(make, "WaitForEndpointToGo")
    about = {"paused_at": expression("$now()"), "execution_arn": expression("$states.context.Execution.Id")}
    record = put(
        make.scope,
        "RecordPaused",
        context.table,
        KEY | texts(about),
        assign={
            "status": "paused",
            "gate": {"accuracy": 0, "reason": "The endpoint is deleted; images wait in the queue."},
        },
    )
    make.finish(record, "dynamodb")
    gone = sfn.Choice.jsonata(make.scope, "EndpointGone")
    gone.when(sfn.Condition.jsonata(expression("$endpointStatus = 'None'")), record.next(done))
    gone.when(
        # Others change still, and cannot be deleted meanwhile.
        sfn.Condition.jsonata(expression(endpoint.AT_REST)),
        remove,
    )
    gone.otherwise(wait)
    remove.next(wait)
    wait.next(find)
    find.next(gone)
    return off(make, context, "StopScalingToPause", find)


def resume(make: Tasks, look: sfn.IChainable) -> sfn.IChainable:
    """Make the champion the model that is rolled out, with the configuration and the evaluation it has."""
    take = sfn.Pass.jsonata(
        make.scope,
        "TakeChampion",
        assign={
            "run": expression("$champion.run"),
            "version": expression("$champion.dataset_version"),
            "model": expression("$champion.endpoint_config_name"),
            "config": expression("$champion.endpoint_config_name"),
            "package": expression("$champion.model_package_arn"),
            "evaluation": expression("$champion.evaluation_uri"),
            "evaluationModel": expression("$champion.evaluation_model"),
            "trainingArtifact": expression("$champion.training_artifact"),
            "gate": {
                "accuracy": expression("$champion.accuracy"),
                "reason": "The champion serves again.",
            },
        },
    )
    return take.next(look)


def forget(make: Tasks, context: Context) -> State:
    """Make a state that ends the pause."""
    task = tasks.DynamoDeleteItem.jsonata(
        make.scope,
        "ForgetPause",
        table=context.table,
        key=KEY,
        assign={"status": expression("$package = $champion.model_package_arn ? 'resumed' : 'promoted'")},
        task_timeout=seconds(30),
    )
    return make.finish(task, "dynamodb")
