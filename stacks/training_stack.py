"""One classifier's training: the workflow, what it runs under, what guards it, what starts and removes it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lambda_src.environment import PackageModelEnvironment, SmokeTestEnvironment
from stacks import images
from stacks.boundary import apply_boundary
from stacks.constructs.alerts import Alerts
from stacks.constructs.guard_alarms import GuardAlarms
from stacks.constructs.owned_function import OwnedFunction
from stacks.constructs.sagemaker_role import SageMakerRole
from stacks.constructs.train_on_deploy import TrainOnDeploy
from stacks.constructs.training_assets import TrainingAssets
from stacks.constructs.training_workflow import TrainingWorkflow
from stacks.data_stack import DataStack
from stacks.settings import Settings
from stacks.settings.data import S3Data
from stacks.workflow.context import Context
from stacks.workflow.shadow import captured


class TrainingStack(cdk.Stack):
    """Trains, evaluates, registers and deploys one classifier's model.

    Attributes
    ----------
    machine, table, alerts, guard_alarms
        The workflow, its state, where people are told, and the alarms that guard a rollout.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, classifier: str, data: DataStack
    ) -> None:
        super().__init__(scope, construct_id, description=f"Training of the classifier {classifier}")
        self._settings, self._classifier, self._data = settings, classifier, data
        self._chosen, self._prefix = settings.classifier[classifier], settings.prefix(classifier)
        apply_boundary(self, settings.permissions_boundary)
        images.confine(self, images.instance_types(self._chosen))
        self.alerts = Alerts(self, "Alerts", emails=settings.alarm_emails)
        self.table = self._state_table()
        self._alarms = GuardAlarms(self, "GuardAlarms", endpoint_name=self._prefix, topic=self.alerts.topic)
        self._assets = TrainingAssets(self, "Assets", settings=self._chosen)
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=self._prefix,
            model_package_group_description=f"Models of {self._prefix}",
        )
        jobs, endpoint = self._job_role(), self._endpoint_role()
        package_model, smoke_test = self._package_model(), self._smoke_test()
        context = self._context(jobs, endpoint, package_model, smoke_test)
        days = settings.log_retention_days
        workflow = TrainingWorkflow(self, "Workflow", context=context, log_retention_days=days)
        self.machine, self.guard_alarms = workflow.machine, self._alarms.alarms
        TrainOnDeploy(
            self,
            "TrainOnDeploy",
            context=context,
            machine=workflow.machine,
            log_retention_days=days,
            after=[
                *(workflow, group, self.table, self.alerts, self._alarms),
                *(jobs, endpoint, package_model, smoke_test),
            ],
        )
        for name, value in (
            ("TrainingStateMachineArn", workflow.machine.state_machine_arn),
            ("StateTableName", self.table.table_name),
            ("EndpointName", self._prefix),
            ("AlertsTopicArn", self.alerts.topic.topic_arn),
            ("ModelPackageGroupName", self._prefix),
        ):
            cdk.CfnOutput(self, name, value=value)

    def _state_table(self) -> dynamodb.TableV2:
        return dynamodb.TableV2(
            self,
            "State",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            removal_policy=cdk.RemovalPolicy.DESTROY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=not self._settings.destroys
            ),
        )

    def _job_role(self) -> SageMakerRole:
        """Make the role of staging, training and evaluation."""
        jobs = SageMakerRole(self, "Jobs")
        self._data.datasets.grant_read_write(jobs.role)
        self._data.models.grant_read_write(jobs.role)
        self._assets.grant_read_to_jobs(jobs.role)
        # A job's volume is opened by a grant on the key, which EC2 holds for as long as the job runs:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
        jobs.role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=[self._data.key.key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
        )
        source = self._chosen.data
        if isinstance(source, S3Data):
            bucket = s3.Bucket.from_bucket_name(self, "Source", source.bucket)
            bucket.grant_read(jobs.role, f"{source.prefix}*")
        return jobs

    def _endpoint_role(self) -> SageMakerRole:
        """Make the role of the model, in the endpoint and in transform jobs."""
        endpoint = SageMakerRole(self, "Endpoint")
        self._data.datasets.grant_read(endpoint.role)
        self._data.models.grant_read_write(endpoint.role)
        # What a variant in the shadow answers, and what the champion does beside it.
        self._data.results.grant_put(endpoint.role, f"{captured(self._classifier)}/*")
        # SageMaker watches the alarms of an update in this role, and lists alarms on no single one:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
        alarms = self.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        endpoint.role.add_to_policy(
            iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms])
        )
        return endpoint

    def _package_model(self) -> OwnedFunction:
        serving_code = self._assets.serving_code
        made = OwnedFunction(
            self,
            "PackageModel",
            name="package_model",
            environment=PackageModelEnvironment.variables(
                models_bucket=self._data.models.bucket_name,
                serving_code_bucket=serving_code.s3_bucket_name,
                serving_code_key=serving_code.s3_object_key,
                classifier=self._classifier,
            ),
            log_retention_days=self._settings.log_retention_days,
            timeout=cdk.Duration.minutes(4),
            memory_mib=1024,
        )
        self._data.models.grant_read_write(made.function, f"{self._classifier}/*")
        serving_code.grant_read(made.function)
        return made

    def _smoke_test(self) -> OwnedFunction:
        made = OwnedFunction(
            self,
            "SmokeTest",
            name="smoke_test",
            environment=SmokeTestEnvironment.variables(endpoint_name=self._prefix),
            log_retention_days=self._settings.log_retention_days,
            timeout=cdk.Duration.minutes(4),
        )
        self._data.models.grant_read(made.function, f"{self._classifier}/*")
        self._data.datasets.grant_read(made.function, f"{self._classifier}/*")
        endpoint = self.format_arn(service="sagemaker", resource="endpoint", resource_name=self._prefix)
        made.role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:InvokeEndpoint"], resources=[endpoint])
        )
        return made

    def _context(
        self,
        jobs: SageMakerRole,
        endpoint: SageMakerRole,
        package_model: OwnedFunction,
        smoke_test: OwnedFunction,
    ) -> Context:
        return Context(
            classifier=self._classifier,
            settings=self._chosen,
            prefix=self._prefix,
            deployment=self._settings.deployment,
            datasets=self._data.datasets,
            models=self._data.models,
            results=self._data.results,
            key=self._data.key,
            table=self.table,
            topic=self.alerts.topic,
            alarms=self._alarms.alarms,
            job_role=jobs.role,
            endpoint_role=endpoint.role,
            code=self._assets.code,
            weights=self._assets.weights,
            source=self._assets.source,
            package_model=package_model.function,
            smoke_test=smoke_test.function,
            training_fingerprint=self._assets.training_fingerprint,
            serving_fingerprint=self._assets.serving_fingerprint,
        )
