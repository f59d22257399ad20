"""How a run ends: promoted, rejected or failed, the lock given back each time."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.lock import release
from stacks.workflow.tasks import RETRIED, State, Tasks, seconds


def _answer(status: str, reason: str) -> dict[str, Any]:
    return {
        "status": status,
        "reason": expression(reason),
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
    # A time-out has no cause, and a missing field would fail in the first failure's place.
    cause = "($exists($failure.Cause) ? $string($failure.Cause) : 'No cause was given.')"
    end = sfn.Fail.jsonata(scope, "Failed", error=expression("$failure.Error"), cause=expression(cause))
    notify = tasks.SnsPublish.jsonata(
        scope,
        "NotifyFailure",
        topic=topic,
        subject=subject,
        message=sfn.TaskInput.from_text(
            expression(
                "'Execution ' & $states.context.Execution.Id & ' failed: ' & $failure.Error & ': ' & "
                f"$substring({cause}, 0, 2000)"
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
    """Make the training workflow's one failure path: give the lock back, tell people, fail."""
    notify = told(scope, context.topic, f"Training of {context.prefix} failed")
    give_back = release(scope, context, "ReleaseLockAfterFailure")
    _try(give_back, "dynamodb", notify)
    return give_back.next(notify)


def promoted(make: Tasks, context: Context) -> sfn.IChainable:
    """End as promoted."""
    give_back = release(make.scope, context, "ReleaseLock")
    make.finish(give_back, "dynamodb")
    end = sfn.Succeed.jsonata(make.scope, "Promoted", outputs=_answer("promoted", "$gate.reason"))
    return give_back.next(end)


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
    make.finish(give_back, "dynamodb")
    end = sfn.Succeed.jsonata(make.scope, "Rejected", outputs=_answer("rejected", "$gate.reason"))
    return chain.next(notify).next(give_back).next(end)


def _delete(make: Tasks, context: Context, state: str, model: str) -> State:
    return make.aws(
        state,
        "sagemaker:deleteModel",
        {"ModelName": expression(model)},
        resources=[context.arn("sagemaker", f"model/{context.prefix}-*")],
    )
