"""Runs the training workflow at `cdk deploy`, and removes all that it made at `cdk destroy`."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import custom_resources as cr
from constructs import Construct, IDependable

from lambda_src.environment import TrainOnDeployEnvironment
from stacks.constructs.log_group import log_group
from stacks.constructs.owned_function import OwnedFunction
from stacks.workflow.context import Context

JOBS = ("training-job", "processing-job", "transform-job")


class TrainOnDeploy(Construct):
    """A custom resource whose creation is a trained, deployed model, and whose deletion leaves nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        context: Context,
        machine: sfn.StateMachine,
        table: dynamodb.ITable,
        log_retention_days: int,
        after: Sequence[IDependable],
    ) -> None:
        super().__init__(scope, construct_id)
        environment = TrainOnDeployEnvironment.variables(
            state_machine_arn=machine.state_machine_arn,
            state_table_name=table.table_name,
            prefix=context.prefix,
            model_package_group_name=context.group_name,
            deployment=context.deployment,
            classifier=context.classifier,
        )
        handlers = [
            OwnedFunction(
                self,
                name,
                name="train_on_deploy",
                handler=handler,
                environment=environment,
                log_retention_days=log_retention_days,
                timeout=cdk.Duration.minutes(5),
            )
            for name, handler in (("OnEvent", "on_event"), ("IsComplete", "is_complete"))
        ]
        for handler in handlers:
            table.grant_read_data(handler.function)
            machine.grant_start_execution(handler.function)
            machine.grant(handler.function, "states:ListExecutions")
            machine.grant_execution(handler.function, "states:StopExecution", "states:DescribeExecution")
            for statement in _cleaning(context):
                handler.role.add_to_policy(statement)
        provider = cr.Provider(
            self,
            "Provider",
            on_event_handler=handlers[0].function,
            is_complete_handler=handlers[1].function,
            query_interval=cdk.Duration.seconds(10),
            total_timeout=cdk.Duration.minutes(58),
            log_group=log_group(self, "ProviderLogs", log_retention_days),
            waiter_state_machine_log_options=cr.LogOptions(
                destination=log_group(self, "WaiterLogs", log_retention_days), level=sfn.LogLevel.ERROR
            ),
        )
        resource = cdk.CustomResource(
            self,
            "Resource",
            service_token=provider.service_token,
            resource_type="Custom::TrainOnDeploy",
            service_timeout=cdk.Duration.hours(1),
            properties={
                "TrainingFingerprint": context.training_fingerprint,
                "ServingFingerprint": context.serving_fingerprint,
                "AtDeploy": str(context.settings.training.at_deploy).lower(),
            },
        )
        resource.node.add_dependency(machine, *handlers, *after)


def _cleaning(context: Context) -> list[iam.PolicyStatement]:
    """Return what removing the workflow's leavings takes."""
    names = f"{context.prefix}*"

    def on(actions: list[str], *resources: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[f"sagemaker:{action}" for action in actions],
            resources=[context.arn("sagemaker", resource) for resource in resources],
        )

    packages = (f"model-package-group/{context.group_name}", f"model-package/{context.group_name}/*")
    return [
        # Lists have no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
        iam.PolicyStatement(
            actions=[
                f"sagemaker:List{kind}"
                for kind in (
                    "TrainingJobs",
                    "ProcessingJobs",
                    "TransformJobs",
                    "Models",
                    "Endpoints",
                    "EndpointConfigs",
                )
            ],
            resources=["*"],
        ),
        on(["ListModelPackages", "DeleteModelPackage", "DescribeModelPackage"], *packages),
        on(["StopTrainingJob", "StopProcessingJob", "StopTransformJob"], *(f"{job}/{names}" for job in JOBS)),
        on(
            ["DeleteEndpoint", "DescribeEndpoint", "DeleteEndpointConfig", "DeleteModel", "ListTags"],
            *(f"{kind}/{names}" for kind in ("endpoint", "endpoint-config", "model", *JOBS)),
        ),
    ]
