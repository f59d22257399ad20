"""What a rollout that failed leaves: the champion behind the endpoint, and the reason in the registry."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_stepfunctions as sfn

from stacks.workflow.context import Context, expression
from stacks.workflow.endpoint import UNPAUSING, delete, describe, keep_instances, pause
from stacks.workflow.outcome import CAUSE, in_words
from stacks.workflow.registry import judge
from stacks.workflow.tasks import State, Tasks

_SAID = "$states.errorOutput.Cause"
IN_WORDS = {
    "failure": {
        "Error": expression("$states.errorOutput.Error"),
        "Cause": expression(f"$exists({_SAID}) = false ? 'No cause was given.' : {in_words(_SAID)}"),
    }
}
"""What a failure assigns, with the sentence of the function or the job where it is one's."""


@dataclass(frozen=True)
class Undo:
    """
    Where a failed rollout goes.

    Parameters
    ----------
    start
        When the endpoint may serve the new model.
    reject
        When it cannot.
    """

    start: sfn.IChainable
    reject: sfn.IChainable


def undo(make: Tasks, context: Context, failed: sfn.IChainable) -> Undo:
    """Put the champion back, or remove the endpoint where there was none before; then mark the version, and fail.

    The first failure stays the run's: what fails here is added to its cause.
    """
    rejection = _reject(make.leading_to(failed, caught={}), context)
    rejection.next(failed)
    reject = sfn.Choice.jsonata(make.scope, "OtherThanChampion")
    reject.when(
        # The champion itself, which was rolled out again and serves still, or could not be resumed and stays paused.
        sfn.Condition.jsonata(expression("$package = $champion.model_package_arn")),
        failed,
    ).otherwise(rejection)
    undoing = make.leading_to(reject, caught=_added("$states.errorOutput.Error"))
    restore = undoing.aws(
        "RestoreChampion",
        "sagemaker:updateEndpoint",
        # At once and unguarded: what serves now has failed, and its alarms may ring.
        {
            "EndpointName": context.prefix,
            "EndpointConfigName": expression("$champion.endpoint_config_name"),
            **keep_instances(context),
        },
        resources=[
            context.arn("sagemaker", f"endpoint/{context.prefix}"),
            context.arn("sagemaker", f"endpoint-config/{context.prefix}-*"),
        ],
    )
    wait, ask = pause(make, "WaitForChampion"), describe(undoing, context, "DescribeRestored")
    back = sfn.Choice.jsonata(make.scope, "ChampionBack")
    back.when(
        sfn.Condition.jsonata(
            expression("$endpointStatus in ['Updating', 'SystemUpdating', 'RollingBack', 'Creating']")
        ),
        wait,
    )
    serves = "$liveConfig = $champion.endpoint_config_name"
    back.when(sfn.Condition.jsonata(expression(f"$endpointStatus = 'InService' and {serves}")), reject)
    lost = sfn.Pass.jsonata(make.scope, "ChampionLost", assign=_added("$endpointFailure"))
    back.otherwise(lost.next(reject))
    restore.next(wait)
    wait.next(ask)
    ask.next(back)
    start = sfn.Choice.jsonata(make.scope, "WhatToUndo")
    start.when(
        sfn.Condition.jsonata(expression(f"$champion.run = '' or {UNPAUSING}")),
        delete(undoing, context, "DeleteCreatedEndpoint").next(reject),
    )
    start.when(sfn.Condition.jsonata(expression(serves)), reject)  # SageMaker itself went back
    start.otherwise(restore)
    return Undo(start, reject)


def _added(why: str) -> dict[str, object]:
    more = f"{CAUSE} & ' The endpoint could not be put back: ' & {why}"
    return {"failure": {"Error": expression("$failure.Error"), "Cause": expression(more)}}


def approve(make: Tasks, context: Context) -> State:
    """Make a state that says in the registry that a version serves, whatever was said of it before.

    It comes after the record: a run that is ended before leaves nothing approved that was no champion.
    """
    said = "'Became the champion at ' & $now() & ': ' & $reason"
    return judge(make, context, "ApprovePackage", "Approved", said)


def leave(make: Tasks, context: Context, then: sfn.IChainable) -> sfn.IChainable:
    """Say in the registry of the champion that somebody went back from it, so that no bare rollback comes to it again.

    What the live check goes back from is marked before, and what a better one follows stays good.
    """
    said = "'RolledBackError: left at ' & $now() & ' by a rollback to ' & $package"
    mark = judge(
        make,
        context,
        "RejectLeft",
        "Rejected",
        said,
        package="$champion.model_package_arn",
        deleted=then,  # and so nothing comes to it
    )
    mark.next(then)
    left = sfn.Choice.jsonata(make.scope, "LeftByHand")
    left.when(sfn.Condition.jsonata(expression("$reason = 'rollback' and $champion.run != ''")), mark)
    return left.otherwise(then)


def _reject(make: Tasks, context: Context) -> State:
    """Make a state that says in the registry why a version is not to be used."""
    return judge(make, context, "RejectPackage", "Rejected", f"$failure.Error & ': ' & {CAUSE}")
