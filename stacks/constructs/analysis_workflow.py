"""The scheduled analysis as a Standard state machine."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.standard_machine import machine_role, standard_machine
from stacks.workflow.analysis import analyse
from stacks.workflow.analysis_context import AnalysisContext
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
        role = machine_role(self, context)
        failed = told(self, context.topic, f"Analysis of {context.prefix} failed")
        self.machine = standard_machine(
            self,
            context,
            analyse(Tasks(self, failed, role, context.prefix), context),
            role=role,
            passes=(context.job_role,),
            timeout=cdk.Duration.hours(2),
            log_retention_days=log_retention_days,
        )
        hours = context.settings.monitoring.every_hours
        events.Rule(
            self,
            "Schedule",
            description=f"Looks at the decisions of {context.prefix}",
            schedule=events.Schedule.rate(cdk.Duration.hours(hours)),
            targets=[targets.SfnStateMachine(self.machine, role=starter, dead_letter_queue=dead_letters)],
        )
