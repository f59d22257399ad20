"""How a run ends: well, rejected or failed; each time it is remembered why, and the lock given back."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from lambda_src.naming import REASONS
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.items import put, texts
from stacks.workflow.lock import release
from stacks.workflow.tasks import RETRIED, State, Tasks, seconds

CAUSE = "($exists($failure.Cause) ? $string($failure.Cause) : 'No cause was given.')"
"""A time-out has none, and a missing field would fail in the first failure's place."""


def in_words(cause: str) -> str:
    """Return JSONata for the sentence in a cause: of a job and of a function it is a description, as JSON."""
    told_by = [f"$contains($cause, '\"{name}\"')" for name in REASONS]
    chosen = "".join(f"$described.{name} ? $described.{name} : " for name in REASONS)
    return (
        f"($cause := {cause}; "
        # One that was cut is no JSON, and a failure to read it would hide the first.
        f"$described := $substring($cause, 0, 1) = '{{' and $substring($cause, -1) = '}}' and "
        f"({' or '.join(told_by)}) ? $parse($cause) : {{}}; "
        f"{chosen}$cause)"
    )


def fail(make: Tasks, name: str, error: str, cause: str, failed: sfn.IChainable) -> sfn.IChainable:
    """Make a state that fails the run for a reason of our own, by the one failure path."""
    state = sfn.Pass.jsonata(
        make.scope, name, assign={"failure": {"Error": error, "Cause": expression(cause)}}
    )
    return state.next(failed)


def _answer(status: str) -> dict[str, Any]:
    return {
        "status": status,
        "reason": expression("$gate.reason"),
        "started_by": expression("$reason"),
        "run": expression(RUN),
        "dataset_version": expression("$version"),
        "accuracy": expression("$gate.accuracy"),
        "evaluation_uri": expression("$evaluation"),
        "model_package_arn": expression("$package"),
    }


def told(scope: Construct, topic: sns.ITopic, subject: str) -> sfn.Chain:
    """Make the end of every failure: tell people, and fail with what went wrong.

    The task catches too: whatever fails here must not hide the first failure.
    """
    end = sfn.Fail.jsonata(scope, "Failed", error=expression("$failure.Error"), cause=expression(CAUSE))
    notify = tasks.SnsPublish.jsonata(
        scope,
        "NotifyFailure",
        topic=topic,
        subject=subject,
        message=sfn.TaskInput.from_text(
            expression(
                "'Execution ' & $states.context.Execution.Id & ' failed: ' & $failure.Error & ': ' & "
                f"$substring({in_words(CAUSE)}, 0, 2000)"
            )
        ),
        task_timeout=seconds(30),
    )
    _try(notify, "sns", end)
    return sfn.Chain.start(notify).next(end)


def _try(state: sfn.TaskStateBase, service: str, otherwise: sfn.IChainable) -> None:
    state.add_retry(
        errors=RETRIED[service], max_attempts=3, backoff_rate=2, jitter_strategy=sfn.JitterType.FULL
    )
    state.add_catch(otherwise, errors=["States.ALL"])


def failure(scope: Construct, context: Context) -> sfn.IChainable:
    """Make the training workflow's one failure path: give the lock back, write it down, tell people, fail."""
    notify = told(scope, context.topic, f"Training of {context.prefix} failed")
    give_back = release(scope, context, "ReleaseLockAfterFailure")
    said = f"$failure.Error & ': ' & $substring({in_words(CAUSE)}, 0, 2000)"
    remember = _remember(scope, context, "RecordFailure", "failed", said)
    _try(give_back, "dynamodb", remember)
    _try(remember, "dynamodb", notify)
    return give_back.next(remember).next(notify)


def done(make: Tasks, context: Context) -> sfn.IChainable:
    """End well, as the variable `status` says: promoted, paused or resumed."""
    remember = _remember(make.scope, context, "RecordRun", expression("$status"), "$gate.reason")
    give_back = release(make.scope, context, "ReleaseLock")
    for state in (remember, give_back):
        make.finish(state, "dynamodb")
    end = sfn.Succeed.jsonata(make.scope, "Done", outputs=_answer(expression("$status")))
    remember.next(give_back).next(end)
    anew = "$start = 'stage' and $status = 'shadowing'"
    return _trained(make, context, "TrainedAnew", anew, "RememberTraining", remember)


def _trained(
    make: Tasks, context: Context, choice: str, anew: str, name: str, then: sfn.IChainable
) -> sfn.Choice:
    """Write when the last training began that came to its end without a champion, whose item says it itself.

    It learnt what was there then. What asked for one that died, in its rollout too, has had no answer, and asks again.
    `anew`, whether it has trained, is JSONata.
    """
    text = {"id": "trained", "at": expression("$states.context.Execution.StartTime"), "run": expression(RUN)}
    state = sfn.Choice.jsonata(make.scope, choice)
    trained = make.finish(put(make.scope, name, context.table, texts(text)), "dynamodb")
    trained.next(then)
    return state.when(sfn.Condition.jsonata(expression(anew)), trained).otherwise(then)


def _remember(
    scope: Construct, context: Context, name: str, status: str, verdict: str
) -> tasks.DynamoPutItem:
    """Make a state that writes how a run ended into the history; `verdict` is JSONata."""
    text = {
        "id": expression(f"'run#' & $states.context.Execution.StartTime & '#' & {RUN}"),
        "run": expression(RUN),
        "status": status,
        "reason": expression("$reason"),
        "accuracy": expression("$gate.accuracy > 0 ? $string($gate.accuracy) : ''"),
        "gate_reason": expression(verdict),
        "dataset_version": expression("$version"),
        "model_package_arn": expression("$package"),
        "execution_arn": expression("$states.context.Execution.Id"),
        "started_at": expression("$states.context.Execution.StartTime"),
        "ended_at": expression("$now()"),
    }
    return put(scope, name, context.table, texts(text))


def rejected(make: Tasks, context: Context) -> sfn.IChainable:
    """End as rejected: a normal, visible end, with the candidate removed and people told."""
    chain = sfn.Chain.start(_delete(make, context, "DeleteRejectedModel", "$model"))
    if context.settings.serving.gpu:
        chain = chain.next(_delete(make, context, "DeleteRejectedEvaluationModel", "$evaluationModel"))
    notify = tasks.SnsPublish.jsonata(
        make.scope,
        "NotifyRejection",
        topic=context.topic,
        subject=f"A model of {context.prefix} was rejected",
        message=sfn.TaskInput.from_text(expression("$gate.reason & ' Report: ' & $evaluation")),
        task_timeout=seconds(30),
    )
    make.finish(notify, "sns")
    give_back = release(make.scope, context, "ReleaseLockAfterRejection")
    remember = _remember(make.scope, context, "RecordRejection", "rejected", "$gate.reason")
    for state in (remember, give_back):
        make.finish(state, "dynamodb")
    end = sfn.Succeed.jsonata(make.scope, "Rejected", outputs=_answer("rejected"))
    remember.next(give_back).next(end)
    anew = _trained(make, context, "RejectedAnew", "$start = 'stage'", "RememberRejectedTraining", remember)
    return chain.next(notify).next(anew)


def _delete(make: Tasks, context: Context, state: str, model: str) -> State:
    return make.aws(
        state,
        "sagemaker:deleteModel",
        {"ModelName": expression(model)},
        resources=[context.arn("sagemaker", f"model/{context.prefix}-*")],
    )
