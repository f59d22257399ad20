"""One classifier's watch: analysis of its decisions, alarms, a dashboard, retraining and a budget."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks import archives, assets, images
from stacks.boundary import apply_boundary
from stacks.classification_stack import ClassificationStack
from stacks.constructs.analysis_workflow import AnalysisWorkflow
from stacks.constructs.monthly_budget import MonthlyBudget
from stacks.constructs.operations_alarms import OperationsAlarms
from stacks.constructs.operations_dashboard import OperationsDashboard
from stacks.constructs.own_services import own_service
from stacks.constructs.sagemaker_role import SageMakerRole
from stacks.constructs.watched import Watched
from stacks.data_stack import DataStack
from stacks.instances import JOB_INSTANCE
from stacks.settings import Settings
from stacks.training_stack import TrainingStack
from stacks.workflow.analysis_context import AnalysisContext
from stacks.workflow.shadow import captured


class MonitoringStack(cdk.Stack):
    """Sees drift and poor answers, tells people, and has the model trained anew."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        classifier: str,
        data: DataStack,
        training: TrainingStack,
        classification: ClassificationStack,
    ) -> None:
        super().__init__(scope, construct_id, description=f"Watch over the classifier {classifier}")
        self._classifier, self._data, self._training = classifier, data, training
        self._chosen, self._prefix = settings.classifier[classifier], settings.prefix(classifier)
        apply_boundary(self, settings.permissions_boundary)
        images.confine(self, [JOB_INSTANCE])
        self._undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        # CDK would make a role for each machine, which EventBridge may assume for whomever.
        self._starter = iam.Role(
            self,
            "Starter",
            assumed_by=own_service("events"),
        )
        context = self._context(settings)
        analysis = AnalysisWorkflow(
            self,
            "AnalysisWorkflow",
            context=context,
            starter=self._starter,
            dead_letters=self._undelivered,
            log_retention_days=settings.log_retention_days,
        )
        watched = Watched(
            classifier=classifier,
            endpoint_name=self._prefix,
            instance_type=self._chosen.serving.instance_type,
            machines={
                "Training": training.machine,
                "Classification": classification.machine,
                "Analysis": analysis.machine,
            },
            queues={**classification.queues, "Undelivered": self._undelivered},
            publisher=classification.publisher,
        )
        monitoring = self._chosen.monitoring
        alarms = OperationsAlarms(
            self,
            "Alarms",
            watched=watched,
            settings=monitoring,
            guards=training.guard_alarms,
            topic=training.alerts.topic,
        )
        dashboard = OperationsDashboard(
            self,
            "Operations",
            watched=watched,
            alarms=[alarms.any, *training.guard_alarms, *alarms.alarms.values()],
        )
        self._calendar()
        self._settling()
        if monitoring.monthly_budget:
            MonthlyBudget(
                self,
                "Budget",
                dollars=monitoring.monthly_budget,
                tags=[(each["Key"], each["Value"]) for each in context.tags],
                emails=settings.alarm_emails,
            )
        for name, value in (
            ("AnalysisStateMachineArn", analysis.machine.state_machine_arn),
            ("DashboardName", dashboard.dashboard.dashboard_name),
            ("AlarmName", alarms.any.alarm_name),
        ):
            cdk.CfnOutput(self, name, value=value)

    def _context(self, settings: Settings) -> AnalysisContext:
        code = assets.archive_asset(self, "Code", archives.training_members(), ".tar.gz")
        job = SageMakerRole(self, "Analysis")
        code.grant_read(job.role)
        name = self._classifier
        for prefix in (f"predictions/{name}", f"reviews/{name}", captured(name)):
            self._data.results.grant_read(job.role, f"{prefix}/*")
        self._data.results.grant_read_write(job.role, f"analysis/{name}/*")
        self._data.models.grant_read(job.role, f"{name}/runs/*")
        # A job's volume is opened by a grant on the key: see the training stack's jobs.
        job.role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=[self._data.key.key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
        )
        return AnalysisContext(
            classifier=name,
            settings=self._chosen,
            prefix=self._prefix,
            deployment=settings.deployment,
            key=self._data.key,
            table=self._training.table,
            topic=self._training.alerts.topic,
            job_role=job.role,
            code=code,
            models=self._data.models,
            results=self._data.results,
            training_machine_arn=self._training.machine.state_machine_arn,
        )

    def _calendar(self) -> None:
        """Train by the calendar, where the settings say how often."""
        days = self._chosen.monitoring.retrain_every_days
        if days:
            events.Rule(
                self,
                "Calendar",
                description=f"Trains {self._prefix} anew",
                schedule=events.Schedule.rate(cdk.Duration.days(days)),
                targets=[
                    targets.SfnStateMachine(
                        self._training.machine,
                        role=self._starter,
                        input=events.RuleTargetInput.from_object({"start": "stage", "reason": "schedule"}),
                        dead_letter_queue=self._undelivered,
                    )
                ],
            )

    def _settling(self) -> None:
        """Look after the endpoint when a run was ended, which may have left it with a model that nobody tried."""
        events.Rule(
            self,
            "Settling",
            description=f"Puts the champion of {self._prefix} back after a run that was ended",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [self._training.machine.state_machine_arn],
                    "status": ["ABORTED", "TIMED_OUT"],
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    self._training.machine,
                    role=self._starter,
                    input=events.RuleTargetInput.from_object({"start": "settle"}),
                    dead_letter_queue=self._undelivered,
                )
            ],
        )
