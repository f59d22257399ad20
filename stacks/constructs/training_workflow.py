"""The training workflow as a Standard state machine."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.constructs.log_group import log_group
from stacks.workflow.context import Context, expression
from stacks.workflow.dataset import stage
from stacks.workflow.deploy import deploy
from stacks.workflow.evaluate import judge
from stacks.workflow.lock import lock
from stacks.workflow.outcome import failure, promoted, rejected
from stacks.workflow.package import package
from stacks.workflow.register import register
from stacks.workflow.tasks import Tasks, seconds
from stacks.workflow.train import train


class TrainingWorkflow(Construct):
    """Lock, stage, train, package, evaluate, gate, register, deploy, smoke-test, record.

    Attributes
    ----------
    machine
        The state machine; its input may say `{"start": "package"}` to reuse the champion's training.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, context: Context, log_retention_days: int
    ) -> None:
        super().__init__(scope, construct_id)
        machines = context.arn("states", "stateMachine:*")
        states = iam.ServicePrincipal(
            "states.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
                "ArnLike": {"aws:SourceArn": machines},
            },
        )
        role = iam.Role(self, "Role", assumed_by=states)
        failed = failure(self, context)
        make = Tasks(self, failed, role, context.prefix)
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_chainable(_definition(make, context, failed)),
            query_language=sfn.QueryLanguage.JSONATA,
            role=role,
            timeout=cdk.Duration.hours(26),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", log_retention_days),
                level=sfn.LogLevel.ALL,
                include_execution_data=True,
            ),
        )
        context.key.grant_encrypt_decrypt(role)
        for passed in (context.job_role, context.endpoint_role):
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[passed.role_arn],
                    conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                )
            )


def _definition(make: Tasks, context: Context, failed: sfn.IChainable) -> sfn.IChainable:
    deploying = sfn.Chain.start(register(make, context)).next(
        deploy(make, context, promoted(make, context), failed)
    )
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
    start = sfn.Choice.jsonata(make.scope, "WhereToStart")
    start.when(
        sfn.Condition.jsonata(expression("$start = 'package' and $champion.run != ''")), reuse
    ).otherwise(full)
    read = tasks.DynamoGetItem.jsonata(
        make.scope,
        "ReadChampion",
        table=context.table,
        key={"id": tasks.DynamoAttributeValue.from_string("champion")},
        consistent_read=True,
        assign={
            "champion": {
                name: expression(f"$exists($states.result.Item.{name}.S) ? $states.result.Item.{name}.S : ''")
                for name in ("run", "evaluation_model", "dataset_version", "training_artifact")
            }
        },
        task_timeout=seconds(30),
    )
    make.finish(read, "dynamodb")
    begin = sfn.Pass.jsonata(
        make.scope,
        "Begin",
        assign={
            "run": expression("$substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12)"),
            "start": expression("$exists($states.input.start) ? $states.input.start : 'stage'"),
            "package": "",
        },
    )
    return begin.next(lock(make, context, sfn.Chain.start(read).next(start)))
