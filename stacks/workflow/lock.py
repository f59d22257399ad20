"""One run per classifier: a lock that its holder's death opens."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.workflow.context import Context, expression
from stacks.workflow.items import put, texts
from stacks.workflow.tasks import Tasks, seconds

WAIT_SECONDS = 60
HELD = "DynamoDB.ConditionalCheckFailedException"
ME = expression("$states.context.Execution.Id")


def _put(make: Tasks, context: Context, name: str, condition: str, value: str) -> tasks.DynamoPutItem:
    item = texts({"id": "lock", "execution_arn": ME, "acquired_at": expression("$now()")})
    return put(make.scope, name, context.table, item, condition=(condition, {}, {":holder": value}))


def lock(make: Tasks, context: Context, then: sfn.IChainable) -> sfn.IChainable:
    """Take the lock and go on, or end where another run holds it."""
    locked = sfn.Fail.jsonata(
        make.scope,
        "Locked",
        error="LockedError",
        cause=expression(f"'Another run of {context.prefix} is under way: ' & $holder"),
    )
    # What another leaves, a run that settles must still look at.
    wait = sfn.Wait.jsonata(
        make.scope, "WaitForLock", time=sfn.WaitTime.duration(cdk.Duration.seconds(WAIT_SECONDS))
    )
    refused = sfn.Choice.jsonata(make.scope, "WhetherToWait")
    # The calendar asks once in a period, and nobody would ask again.
    patient = "$start = 'settle' or $reason = 'schedule'"
    refused.when(sfn.Condition.jsonata(expression(patient)), wait).otherwise(locked)
    take = _put(make, context, "TakeOverLock", "execution_arn = :holder", expression("$holder"))
    make.finish(take, "dynamodb", catch={HELD: refused})
    take.next(then)
    held = "$states.result.Item.execution_arn.S"
    read = make.read_item(
        "ReadLock", context.table, "lock", {"holder": expression(f"$exists({held}) ? {held} : ''")}
    )
    ask = make.aws(
        "DescribeHolder",
        "sfn:describeExecution",
        {"ExecutionArn": expression("$holder")},
        resources=[context.arn("states", "execution:*")],
        assign={"holderStatus": expression("$states.result.Status")},
        catch={"Sfn.ExecutionDoesNotExistException": take},
    )
    decide = sfn.Choice.jsonata(make.scope, "HolderAlive")
    decide.when(sfn.Condition.jsonata(expression("$holderStatus = 'RUNNING'")), refused).otherwise(take)
    ask.next(decide)
    first = _put(make, context, "Lock", "attribute_not_exists(id) OR execution_arn = :holder", ME)
    make.finish(first, "dynamodb", catch={HELD: read})
    first.next(then)
    wait.next(first)
    given_back = sfn.Choice.jsonata(make.scope, "GivenBackMeanwhile")
    given_back.when(sfn.Condition.jsonata(expression("$holder = ''")), first).otherwise(ask)
    read.next(given_back)
    return first


def release(scope: Construct, context: Context, name: str) -> tasks.DynamoDeleteItem:
    """Make a state that gives the lock back, if this run holds it."""
    return tasks.DynamoDeleteItem.jsonata(
        scope,
        name,
        table=context.table,
        key=texts({"id": "lock"}),
        condition_expression="attribute_not_exists(id) OR execution_arn = :me",
        expression_attribute_values=texts({":me": ME}),
        task_timeout=seconds(30),
    )
