"""A Standard state machine that runs a classifier's jobs: its role, its log, and whom it may pass on."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.log_group import machine_log_group
from stacks.constructs.own_services import OF_THIS_ACCOUNT
from stacks.workflow.context import JobContext


def machine_role(scope: Construct, context: JobContext) -> iam.Role:
    """Make the role of a construct's state machine, for this account's machines alone."""
    return iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal(
            "states.amazonaws.com",
            conditions={
                **OF_THIS_ACCOUNT,
                "ArnLike": {"aws:SourceArn": context.arn("states", "stateMachine:*")},
            },
        ),
    )


def standard_machine(
    scope: Construct,
    context: JobContext,
    definition: sfn.IChainable,
    *,
    role: iam.Role,
    passes: Sequence[iam.IRole],
    timeout: cdk.Duration,
    log_retention_days: int,
) -> sfn.StateMachine:
    """Make a construct's state machine, logged and traced, which may use the key and pass roles on to SageMaker."""
    machine = sfn.StateMachine(
        scope,
        "Machine",
        definition_body=sfn.DefinitionBody.from_chainable(definition),
        query_language=sfn.QueryLanguage.JSONATA,
        role=role,
        timeout=timeout,
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=machine_log_group(scope, "Logs", log_retention_days),
            level=sfn.LogLevel.ALL,
            include_execution_data=True,
        ),
    )
    context.key.grant_encrypt_decrypt(role)
    for passed in passes:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[passed.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
    return machine
