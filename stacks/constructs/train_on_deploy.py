"""Runs the training workflow at `cdk deploy`, and removes all that it made at `cdk destroy`."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import custom_resources as cr
from constructs import Construct, IDependable

from lambda_src.environment import TrainOnDeployEnvironment
from lambda_src.naming import search_prefix
from stacks.constructs.log_group import log_group, machine_log_group
from stacks.constructs.own_services import own_service
from stacks.constructs.owned_function import OwnedFunction
from stacks.constructs.provider_waiter import observe_waiter
from stacks.workflow.context import Context
from stacks.workflow.scaling import allowed

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
        log_retention_days: int,
        after: Sequence[IDependable],
    ) -> None:
        super().__init__(scope, construct_id)
        environment = TrainOnDeployEnvironment.variables(
            state_machine_arn=machine.state_machine_arn,
            state_table_name=context.table.table_name,
            prefix=context.prefix,
            model_package_group_name=context.prefix,
            deployment=context.deployment,
            classifier=context.classifier,
        )
        on_event, is_complete = (
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
        )
        for handler in (on_event, is_complete):
            context.table.grant(handler.function, "dynamodb:GetItem")
        machine.grant_start_execution(on_event.function)
        machine.grant(is_complete.function, "states:ListExecutions")
        machine.grant_execution(is_complete.function, "states:DescribeExecution", "states:StopExecution")
        for statement in _cleaning(context):
            is_complete.role.add_to_policy(statement)
        group = log_group(self, "ProviderLogs", log_retention_days)
        starting, waiting = (_framework_role(self, name, group) for name in ("Starting", "Waiting"))
        provider = cr.Provider(
            self,
            "Provider",
            on_event_handler=on_event.function,
            is_complete_handler=is_complete.function,
            query_interval=cdk.Duration.seconds(10),
            total_timeout=cdk.Duration.minutes(58),
            framework_on_event_role=starting,
            framework_complete_and_timeout_role=waiting,
            log_group=group,
        )
        observe_waiter(provider, machine_log_group(self, "WaiterLogs", log_retention_days))
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
        resource.node.add_dependency(machine, on_event, is_complete, starting, waiting, *after)


def _framework_role(scope: Construct, construct_id: str, group: logs.LogGroup) -> iam.Role:
    """Make a role for CDK's own functions, which would else get a managed policy on every log group."""
    role = iam.Role(scope, construct_id, assumed_by=own_service("lambda"))
    group.grant_write(role)
    return role


def _cleaning(context: Context) -> list[iam.PolicyStatement]:
    """Return what removing the workflow's leavings takes."""
    names = f"{context.prefix}*"
    search = f"hyper-parameter-tuning-job/{search_prefix(context.prefix)}-*"

    def on(actions: list[str], *resources: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[f"sagemaker:{action}" for action in actions],
            resources=[context.arn("sagemaker", resource) for resource in resources],
        )

    return [
        # These lists have no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
        iam.PolicyStatement(
            actions=[
                f"sagemaker:List{kind}"
                for kind in (
                    "TrainingJobs",
                    "ProcessingJobs",
                    "TransformJobs",
                    "HyperParameterTuningJobs",
                    "Models",
                    "Endpoints",
                    "EndpointConfigs",
                )
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=["logs:DeleteLogGroup"],
            # CloudWatch Logs checks some of its actions with the colon and some without.
            resources=[
                context.arn("logs", f"log-group:/aws/sagemaker/Endpoints/{context.prefix}{end}")
                for end in ("", ":*")
            ],
        ),
        on(["ListModelPackages", "DeleteModelPackage"], f"model-package/{context.prefix}/*"),
        allowed(context, "DeregisterScalableTarget"),
        # A search that the settings have no longer may run still.
        on(
            ["StopTrainingJob", "StopProcessingJob", "StopTransformJob", "StopHyperParameterTuningJob"],
            *(f"{job}/{names}" for job in JOBS),
            search,
        ),
        on(
            ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel", "ListTags"],
            *(f"{kind}/{names}" for kind in ("endpoint", "endpoint-config", "model", *JOBS)),
            search,
        ),
    ]
