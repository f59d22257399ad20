"""The scheduled analysis as a Standard state machine."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.log_group import log_group
from stacks.workflow.analysis import AnalysisContext, analyse
from stacks.workflow.outcome import told
from stacks.workflow.tasks import Tasks


class AnalysisWorkflow(Construct):
    """Judges what came in since the last time, every so many hours, started in the role `starter`.

    Attributes
    ----------
    machine
        The state machine; it reads no input.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        context: AnalysisContext,
        starter: iam.IRole,
        dead_letters: sqs.IQueue,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": context.arn("states", "stateMachine:*")},
                },
            ),
        )
        failed = told(self, context.topic, f"Analysis of {context.prefix} failed")
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_chainable(
                analyse(Tasks(self, failed, role, context.prefix), context)
            ),
            query_language=sfn.QueryLanguage.JSONATA,
            role=role,
            timeout=cdk.Duration.hours(2),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", log_retention_days),
                level=sfn.LogLevel.ALL,
                include_execution_data=True,
            ),
        )
        context.key.grant_encrypt_decrypt(role)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[context.job_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
        hours = context.settings.monitoring.every_hours
        events.Rule(
            self,
            "Schedule",
            description=f"Looks at the decisions of {context.prefix}",
            schedule=events.Schedule.rate(cdk.Duration.hours(hours)),
            targets=[targets.SfnStateMachine(self.machine, role=starter, dead_letter_queue=dead_letters)],
        )
