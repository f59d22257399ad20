"""One classifier's training: the workflow, what it runs under, what guards it, what starts and removes it."""

from __future__ import annotations

import hashlib
import json

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from lambda_src.environment import PackageModelEnvironment, SmokeTestEnvironment
from stacks import assets
from stacks.constructs.guard_alarms import GuardAlarms
from stacks.constructs.owned_function import OwnedFunction
from stacks.constructs.sagemaker_role import SageMakerRole
from stacks.constructs.train_on_deploy import TrainOnDeploy
from stacks.constructs.training_workflow import TrainingWorkflow
from stacks.data_stack import DataStack
from stacks.settings import ClassifierSettings, FolderData, Settings
from stacks.workflow.context import Context


def fingerprint(*parts: object) -> str:
    """Hash what decides whether a step's result would be the same."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


class TrainingStack(cdk.Stack):
    """Trains, evaluates, registers and deploys one classifier's model."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, classifier: str, data: DataStack
    ) -> None:
        super().__init__(scope, construct_id, description=f"Training of the classifier {classifier}")
        chosen = settings.classifier[classifier]
        prefix = settings.prefix(classifier)
        if settings.permissions_boundary:
            iam.PermissionsBoundary.of(self).apply(
                iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", settings.permissions_boundary)
            )
        topic = sns.Topic(self, "Alerts", enforce_ssl=True)
        for address in settings.alarm_emails:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        table = dynamodb.TableV2(
            self,
            "State",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            removal_policy=cdk.RemovalPolicy.DESTROY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=not settings.destroys
            ),
        )
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=prefix,
            model_package_group_description=f"Models of {prefix}",
        )
        alarms = GuardAlarms(self, "GuardAlarms", endpoint_name=prefix, topic=topic)
        context = self._context(settings, classifier, chosen, data, table, topic, alarms)
        workflow = TrainingWorkflow(
            self,
            "Workflow",
            context=context,
            key=data.key,
            log_retention_days=settings.log_retention_days,
        )
        TrainOnDeploy(
            self,
            "TrainOnDeploy",
            context=context,
            machine=workflow.machine,
            table=table,
            log_retention_days=settings.log_retention_days,
            after=[workflow, group, table, topic, alarms, *self._parts],
        )
        for name, value in (
            ("TrainingStateMachineArn", workflow.machine.state_machine_arn),
            ("StateTableName", table.table_name),
            ("EndpointName", prefix),
            ("AlertsTopicArn", topic.topic_arn),
            ("ModelPackageGroupName", prefix),
        ):
            cdk.CfnOutput(self, name, value=value)

    def _context(
        self,
        settings: Settings,
        classifier: str,
        chosen: ClassifierSettings,
        data: DataStack,
        table: dynamodb.ITable,
        topic: sns.ITopic,
        alarms: GuardAlarms,
    ) -> Context:
        prefix = settings.prefix(classifier)
        training_members, serving_members = assets.training_members(), assets.serving_members()
        code = assets.archive_asset(self, "TrainingCode", training_members, ".tar.gz")
        serving_code = assets.archive_asset(self, "ServingCode", serving_members, ".tar.gz")
        weights = assets.weights_asset(self, "Weights")
        source: s3_assets.Asset | None = None
        source_hash = ""
        if isinstance(chosen.data, FolderData):
            members = assets.folder_members(chosen.data.path)
            source_hash = assets.digest(members)
            source = assets.archive_asset(self, "Pictures", members, ".zip")
        jobs, endpoint = SageMakerRole(self, "Jobs"), SageMakerRole(self, "Endpoint")
        data.datasets.grant_read_write(jobs.role)
        data.models.grant_read_write(jobs.role)
        data.datasets.grant_read(endpoint.role)
        data.models.grant_read_write(endpoint.role)
        for asset in filter(None, (code, weights, source)):
            asset.grant_read(jobs.role)
        package_model = OwnedFunction(
            self,
            "PackageModel",
            name="package_model",
            environment=PackageModelEnvironment.variables(
                models_bucket=data.models.bucket_name,
                serving_code_bucket=serving_code.s3_bucket_name,
                serving_code_key=serving_code.s3_object_key,
                classifier=classifier,
            ),
            log_retention_days=settings.log_retention_days,
            timeout=cdk.Duration.minutes(4),
            memory_mib=1024,
        )
        data.models.grant_read_write(package_model.function)
        serving_code.grant_read(package_model.function)
        smoke_test = OwnedFunction(
            self,
            "SmokeTest",
            name="smoke_test",
            environment=SmokeTestEnvironment.variables(endpoint_name=prefix),
            log_retention_days=settings.log_retention_days,
            timeout=cdk.Duration.minutes(4),
        )
        data.models.grant_read(smoke_test.function)
        data.datasets.grant_read(smoke_test.function)
        endpoint_arn = (
            f"arn:{cdk.Aws.PARTITION}:sagemaker:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:endpoint/{prefix}"
        )
        smoke_test.role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:InvokeEndpoint"], resources=[endpoint_arn])
        )
        self._parts = [jobs, endpoint, package_model, smoke_test]
        chosen_data = {**chosen.data.model_dump(mode="json"), "path": source_hash}
        return Context(
            classifier=classifier,
            settings=chosen,
            prefix=prefix,
            deployment=settings.deployment,
            datasets=data.datasets,
            models=data.models,
            key_arn=data.key.key_arn,
            table=table,
            topic=topic,
            group_name=prefix,
            alarms=alarms.alarms,
            job_role=jobs.role,
            endpoint_role=endpoint.role,
            code=code,
            weights=weights,
            source=source,
            package_model=package_model.function,
            smoke_test=smoke_test.function,
            training_fingerprint=fingerprint(
                assets.digest(training_members),
                weights.asset_hash,
                chosen_data,
                chosen.classes,
                chosen.target_error,
                chosen.training.model_dump(mode="json", exclude={"at_deploy"}),
            ),
            serving_fingerprint=fingerprint(
                assets.digest(serving_members),
                chosen.serving.model_dump(mode="json"),
                chosen.gate.minimum_accuracy,
            ),
        )
