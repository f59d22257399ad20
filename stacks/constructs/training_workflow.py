"""The training workflow as a Standard state machine."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.standard_machine import machine_role, standard_machine
from stacks.workflow import champion, pause, scaling, shadow
from stacks.workflow.context import Context, expression
from stacks.workflow.dataset import stage
from stacks.workflow.deploy import deploy
from stacks.workflow.evaluate import judge
from stacks.workflow.lock import lock
from stacks.workflow.outcome import done, fail, failure, rejected
from stacks.workflow.package import package
from stacks.workflow.register import register
from stacks.workflow.rollback import rollback
from stacks.workflow.settle import settle
from stacks.workflow.tasks import Tasks
from stacks.workflow.train import train


class TrainingWorkflow(Construct):
    """Lock, stage, train, package, evaluate, gate, register, deploy, smoke-test, record.

    Attributes
    ----------
    machine
        The state machine. Its input may say `{"start": "package"}` to reuse the champion's training,
        `{"start": "rollback", "package": ARN}` for a registered version, `pause` or `resume`, or `settle` after a
        run that was ended; `shadow`, whether the model is to see copied requests before it answers any; and `reason`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, context: Context, log_retention_days: int
    ) -> None:
        super().__init__(scope, construct_id)
        role, failed = machine_role(self, context), failure(self, context)
        self.machine = standard_machine(
            self,
            context,
            _definition(Tasks(self, failed, role, context.prefix), context, failed),
            role=role,
            passes=(context.job_role, context.endpoint_role),
            timeout=cdk.Duration.hours(26),
            log_retention_days=log_retention_days,
        )


def _definition(make: Tasks, context: Context, failed: sfn.IChainable) -> sfn.IChainable:
    well = done(make, context)
    rollout = deploy(make, context, well, failed)
    deploying = register(make, context).next(shadow.route(make, context, rollout.guard, rollout.configure))
    judging = judge(make, context, deploying, rejected(make, context))
    packaging = package(make, context).next(judging)
    full = stage(make, context).next(train(make, context)).next(packaging)
    reuse = sfn.Pass.jsonata(
        make.scope,
        "ReuseTraining",
        assign={
            "version": expression("$champion.dataset_version"),
            "trainingArtifact": expression("$champion.training_artifact"),
        },
    ).next(packaging)
    back, away = rollback(make, context, rollout), pause.pause(make, context, well)
    start = sfn.Choice.jsonata(make.scope, "WhereToStart")
    for condition, then in (
        ("$start in ['pause', 'resume', 'rollback'] and $champion.run = ''", _no_champion(make, failed)),
        ("$start = 'pause'", away),
        ("$start = 'resume'", pause.resume(make, rollout.look)),
        ("$start = 'settle'", settle(make, context, back, rollout.scale, away, well)),
        # By hand it ends the pause; what starts by itself does not.
        ("$start = 'rollback' and ($pausedAt = '' or $reason = 'rollback')", back),
        ("$pausedAt != ''", _paused(make, context, failed)),
        ("$start = 'package' and $champion.run != ''", reuse),
    ):
        start.when(sfn.Condition.jsonata(expression(condition)), then)
    start.otherwise(full)
    reading = champion.read(make, context).next(pause.read(make, context)).next(start)
    return _begin(make, context).next(lock(make, context, reading))


def _begin(make: Tasks, context: Context) -> sfn.Pass:
    """Make the state that gives every variable that an ending reads a value."""
    own = "$states.input.start in ['pause', 'resume', 'rollback', 'settle'] ? $states.input.start : 'hand'"
    return sfn.Pass.jsonata(
        make.scope,
        "Begin",
        assign={
            "run": expression("$substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12)"),
            "start": expression("$exists($states.input.start) ? $states.input.start : 'stage'"),
            "reason": expression(f"$exists($states.input.reason) ? $states.input.reason : {own}"),
            "package": expression("$exists($states.input.package) ? $states.input.package : ''"),
            "trainingFingerprint": context.training_fingerprint,
            "servingFingerprint": context.serving_fingerprint,
            "version": "",
            "evaluation": "",
            "gate": {"accuracy": 0, "reason": ""},
            "liveConfig": "",
            "ringing": [],
            **scaling.begin(context),
            **shadow.begin(context),
        },
    )


def _no_champion(make: Tasks, failed: sfn.IChainable) -> sfn.IChainable:
    cause = (
        "'A ' & $start & ' needs a champion, and there is none: train a model first, with `scones train`.'"
    )
    return fail(make, "RefuseWithoutChampion", "NoChampionError", cause, failed)


def _paused(make: Tasks, context: Context, failed: sfn.IChainable) -> sfn.IChainable:
    cause = f"'The endpoint {context.prefix} is paused since ' & $pausedAt & ': run `scones resume` first.'"
    return fail(make, "RefuseWhilePaused", "PausedError", cause, failed)
