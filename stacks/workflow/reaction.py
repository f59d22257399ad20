"""What an analysis leads to: the champion before, a training, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.workflow.analysis_context import COMMITTED_ALREADY, NOTHING, AnalysisContext
from stacks.workflow.context import RUN, expression
from stacks.workflow.tasks import State, Tasks, seconds
from stacks.workflow.undo import DESCRIPTION_LIMIT


def _end(
    make: Tasks,
    context: AnalysisContext,
    name: str,
    retraining: str,
    *,
    rollback: str = "not called for",
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
    """Go back to the champion before, where the new one's live traffic speaks against it."""
    if not context.settings.monitoring.roll_back:
        return otherwise
    said = "'LiveCheckError: ' & $found.rollback.reason"
    reject = make.aws(
        "RejectChampion",
        "sagemaker:updateModelPackage",
        {
            "ModelPackageArn": expression("$champion.model_package_arn"),
            "ModelApprovalStatus": "Rejected",
            "ApprovalDescription": expression(f"$substring({said}, 0, {DESCRIPTION_LIMIT})"),
        },
        resources=[context.arn("sagemaker", f"model-package/{context.prefix}/*")],
    )
    start = _start(
        make,
        context,
        "StartRollback",
        f"'rollback-' & {RUN}",
        "{'start': 'rollback', 'package': $champion.previous_package_arn, 'reason': 'live-check', "
        "'why': $found.rollback.reason}",
    )
    choice = sfn.Choice.jsonata(make.scope, "RollbackWanted")
    choice.when(
        sfn.Condition.jsonata(
            # What answers in a canary is no champion yet, and its alarms see to it. What somebody went back to is there
            # by their decision, or by this one.
            expression(
                "$found.rollback.wanted = true and $found.serving = $champion.run and "
                f"$champion.previous_package_arn != '{NOTHING}' and "
                "($champion.reason in ['rollback', 'live-check']) = false"
            )
        ),
        sfn.Chain.start(reject)
        .next(start)
        .next(
            _end(
                make,
                context,
                "RollbackStarted",
                "not called for",
                rollback="started",
                reason="$found.rollback.reason",
            )
        ),
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
    take = _take_cooldown(make, context, end("CoolingDown", "too soon after the last one"))
    again = sfn.Pass.jsonata(make.scope, "TakeUpRetraining", assign={"due": expression("$retraining")})
    choice = sfn.Choice.jsonata(make.scope, "RetrainingWanted")
    choice.when(
        # One that was killed in between would have kept the traffic waiting for the whole cool-down.
        sfn.Condition.jsonata(
            expression(f"$retraining.at != '{NOTHING}' and $retraining.started_at = '{NOTHING}'")
        ),
        again.next(start),
    )
    choice.when(sfn.Condition.jsonata(expression("$found.retrain.wanted = true")), take.next(start))
    choice.otherwise(end("Analysed", "not called for"))
    return choice


def _take_cooldown(make: Tasks, context: AnalysisContext, cooling: sfn.IChainable) -> State:
    """Make a state that takes the right to start a training, unless somebody has had it a short while ago."""
    hours = context.settings.monitoring.cooldown_hours
    due = {
        "run": expression(RUN),
        "trigger": expression("$found.retrain.trigger"),
        "reason": expression("$found.retrain.reason"),
    }
    take = tasks.DynamoPutItem.jsonata(
        make.scope,
        "TakeCooldown",
        table=context.table,
        item={
            "id": tasks.DynamoAttributeValue.from_string("retraining"),
            "at": tasks.DynamoAttributeValue.from_string(expression("$now()")),
            **{key: tasks.DynamoAttributeValue.from_string(value) for key, value in due.items()},
        },
        condition_expression="attribute_not_exists(id) OR #at < :limit OR #run = :own",
        expression_attribute_names={"#at": "at", "#run": "run"},
        expression_attribute_values={
            ":limit": tasks.DynamoAttributeValue.from_string(
                expression(f"$fromMillis($toMillis($now()) - {hours * 3_600_000})")
            ),
            ":own": tasks.DynamoAttributeValue.from_string(expression(RUN)),
        },
        assign={"due": due},
        task_timeout=seconds(30),
    )
    return make.finish(take, "dynamodb", catch={COMMITTED_ALREADY: cooling})


def _mark_started(make: Tasks, context: AnalysisContext) -> State:
    """Make a state that writes beside the cool-down that its training was started."""
    task = tasks.DynamoUpdateItem.jsonata(
        make.scope,
        "MarkStarted",
        table=context.table,
        key={"id": tasks.DynamoAttributeValue.from_string("retraining")},
        update_expression="SET started_at = :now",
        expression_attribute_values={":now": tasks.DynamoAttributeValue.from_string(expression("$now()"))},
        task_timeout=seconds(30),
    )
    return make.finish(task, "dynamodb")
