"""What an analysis leads to: the champion before, a training, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.workflow.analysis_context import COMMITTED_ALREADY, NOTHING, AnalysisContext
from stacks.workflow.context import RUN, expression
from stacks.workflow.items import put, texts
from stacks.workflow.registry import approval, judge
from stacks.workflow.tasks import State, Tasks, seconds

Condition = tuple[str, dict[str, str], dict[str, str]]
"""Of DynamoDB: the expression, its names and its values."""
MOST_TRIES = 3
"""Trainings in a row that come to no verdict, before the cool-down holds for what asked for them: they cost, too."""


def _end(
    make: Tasks,
    context: AnalysisContext,
    name: str,
    retraining: str,
    *,
    rollback: str = expression("$found.rollback.wanted ? 'not possible' : 'not called for'"),
    reason: str = "$found.retrain.reason",
) -> sfn.Succeed:
    outputs = {
        "status": "analysed",
        "retraining": retraining,
        "rollback": rollback,
        "reason": expression(reason),
        "windows": expression("[$found.windows]"),
        "shadow": expression("$found.shadow"),
        "report_uri": expression(f"{context.report} & '/report.html'"),
    }
    return sfn.Succeed.jsonata(make.scope, name, outputs=outputs)


def _start(
    make: Tasks,
    context: AnalysisContext,
    name: str,
    execution: str,
    given: str,
    *,
    catch: Mapping[str, sfn.IChainable] | None = None,
) -> State:
    return make.aws(
        name,
        "sfn:startExecution",
        {
            "StateMachineArn": context.training_machine_arn,
            # The same name at every try: a start whose answer was lost starts nothing twice.
            "Name": expression(execution),
            "Input": expression(f"$string({given})"),
        },
        resources=[context.training_machine_arn],
        catch=catch,
    )


def back(make: Tasks, context: AnalysisContext, otherwise: sfn.IChainable) -> sfn.IChainable:
    """
    Go back to the champion before, where the new one's live traffic speaks against it.

    Not to one that the registry has as rejected: by somebody, or by a rollback to it that failed. That would be tried
    at each analysis, and keep trainings from what would help.
    """
    if not context.settings.monitoring.roll_back:
        return otherwise
    said = "'LiveCheckError: ' & $found.rollback.reason"
    start = _start(
        make,
        context,
        "StartRollback",
        f"'rollback-' & {RUN}",
        "{'start': 'rollback', 'package': $champion.previous_package_arn, 'reason': 'live-check', "
        "'why': $found.rollback.reason}",
    )
    reject = judge(
        make,
        context,
        "RejectChampion",
        "Rejected",
        said,
        package="$champion.model_package_arn",
        deleted=start,  # which says as much
    )
    reject.next(start).next(
        _end(
            make,
            context,
            "RollbackStarted",
            "not called for",
            rollback="started",
            reason="$found.rollback.reason",
        )
    )
    ask = approval(make, context, "DescribePredecessor", "$champion.previous_package_arn", deleted=otherwise)
    usable = sfn.Choice.jsonata(make.scope, "PredecessorUsable")
    usable.when(sfn.Condition.jsonata(expression("$approval = 'Rejected'")), otherwise).otherwise(reject)
    ask.next(usable)
    choice = sfn.Choice.jsonata(make.scope, "RollbackWanted")
    choice.when(
        sfn.Condition.jsonata(
            # What answers in a canary is no champion yet, and its alarms see to it. What somebody went back to is there
            # by their decision, or by this one.
            expression(
                f"$found.rollback.wanted = true and $paused.paused_at = '{NOTHING}' and "
                "$found.serving = $champion.run and "
                f"$champion.previous_package_arn != '{NOTHING}' and "
                "($champion.reason in ['rollback', 'live-check']) = false"
            )
        ),
        ask,
    ).otherwise(otherwise)
    return choice


def wanted(make: Tasks, context: AnalysisContext) -> sfn.IChainable:
    """Train anew where the analysis says so, the settings allow it and the last such training is long past."""

    def end(name: str, retraining: str, reason: str = "$found.retrain.reason") -> sfn.Succeed:
        return _end(make, context, name, retraining, reason=reason)

    watched = context.settings.monitoring
    if not watched.retrain:
        return end("Analysed", "switched off by the settings")
    started = _mark_started(make, context).next(end("RetrainingStarted", "started", "$due.reason"))
    start = _start(
        make,
        context,
        "StartRetraining",
        "'retrain-' & $due.run",
        "{'start': 'stage', 'reason': $due.trigger, 'why': $due.reason}",
        # An analysis that was killed before it could write so had started it.
        catch={"Sfn.ExecutionAlreadyExistsException": started},
    )
    start.next(started)
    cooling = end("CoolingDown", "too soon after the last one")
    limit = expression(f"$fromMillis($toMillis($now()) - {watched.cooldown_hours * 3_600_000})")
    past: Condition = ("attribute_not_exists(id) OR #at < :limit", {"#at": "at"}, {":limit": limit})
    same: Condition = ("#run = :last", {}, {":last": expression("$retraining.run")})
    take = _take(make, context, "TakeCooldown", "1", past, cooling)
    tried = expression("$string($refused ? $tries : $tries + 1)")
    retry = _take(make, context, "TakeAnotherTry", tried, same, cooling)
    for state in (take, retry):
        state.next(start)
    again = sfn.Pass.jsonata(make.scope, "TakeUpRetraining", assign={"due": expression("$retraining")})
    choice = sfn.Choice.jsonata(make.scope, "RetrainingWanted")
    choice.when(
        # Nothing trains meanwhile: the run would fail, and use the cool-down up.
        sfn.Condition.jsonata(
            expression(
                f"$paused.paused_at != '{NOTHING}' and ($found.retrain.wanted = true or "
                f"($retraining.at != '{NOTHING}' and $retraining.started_at = '{NOTHING}'))"
            )
        ),
        end("RetrainingPaused", "paused"),
    )
    choice.when(
        # One that was killed in between would have kept the traffic waiting for the whole cool-down.
        sfn.Condition.jsonata(
            expression(f"$retraining.at != '{NOTHING}' and $retraining.started_at = '{NOTHING}'")
        ),
        again.next(start),
    )
    choice.when(
        sfn.Condition.jsonata(
            expression(f"$found.retrain.wanted = true and $retraining.started_at != '{NOTHING}'")
        ),
        _what_became(make, context, take, retry),
    )
    choice.when(sfn.Condition.jsonata(expression("$found.retrain.wanted = true")), take)
    choice.otherwise(end("Analysed", "not called for"))
    return choice


def _what_became(
    make: Tasks, context: AnalysisContext, take: sfn.IChainable, retry: sfn.IChainable
) -> sfn.IChainable:
    """Ask how the training ended that was started last: one that came to no verdict may be tried again at once."""
    machine = cdk.Fn.select(6, cdk.Fn.split(":", context.training_machine_arn))
    started = context.arn("states", f"execution:{machine}:retrain-")
    ask = make.aws(
        "DescribeRetraining",
        "sfn:describeExecution",
        {"ExecutionArn": expression(f"'{started}' & $retraining.run")},
        resources=[f"{started}*"],
        assign={
            "ended": expression("$states.result.Status"),
            "tries": expression(f"$retraining.tries = '{NOTHING}' ? 1 : $number($retraining.tries)"),
            # It began nothing, and so is no try.
            "refused": expression(
                "$exists($states.result.Error) and $states.result.Error in ['LockedError', 'PausedError']"
            ),
        },
        catch={"Sfn.ExecutionDoesNotExistException": take},
    )
    died = sfn.Choice.jsonata(make.scope, "RetrainingDied")
    died.when(
        sfn.Condition.jsonata(
            expression(
                f"$ended in ['FAILED', 'TIMED_OUT', 'ABORTED'] and ($refused or $tries < {MOST_TRIES})"
            )
        ),
        retry,
    ).otherwise(take)
    return ask.next(died)


def _take(
    make: Tasks,
    context: AnalysisContext,
    name: str,
    tries: str,
    condition: Condition,
    cooling: sfn.IChainable,
) -> State:
    """Make a state that takes the right to start a training, unless somebody else has it.

    The condition comes with its names and its values; a repetition of the same run has the right already.
    """
    when, names, values = condition
    due = {
        "run": expression(RUN),
        "trigger": expression("$found.retrain.trigger"),
        "reason": expression("$found.retrain.reason"),
    }
    own = (f"{when} OR #run = :own", {**names, "#run": "run"}, {**values, ":own": expression(RUN)})
    item = {"id": "retraining", "at": expression("$now()"), "tries": tries, **due}
    take = put(make.scope, name, context.table, texts(item), condition=own, assign={"due": due})
    return make.finish(take, "dynamodb", catch={COMMITTED_ALREADY: cooling})


def _mark_started(make: Tasks, context: AnalysisContext) -> State:
    """Make a state that writes beside the cool-down that its training was started."""
    task = tasks.DynamoUpdateItem.jsonata(
        make.scope,
        "MarkStarted",
        table=context.table,
        key=texts({"id": "retraining"}),
        update_expression="SET started_at = :now",
        expression_attribute_values=texts({":now": expression("$now()")}),
        task_timeout=seconds(30),
    )
    return make.finish(task, "dynamodb")
