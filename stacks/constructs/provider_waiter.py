"""Logs and traces of the state machine by which CDK's provider waits."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import custom_resources as cr

from stacks.constructs.own_services import OF_THIS_ACCOUNT

# None of these has a resource-level permission.
DELIVERY = (
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"),
    *("logs:ListLogDeliveries", "logs:DescribeLogGroups"),
    *("logs:DescribeResourcePolicies", "logs:PutResourcePolicy"),
)
TRACING = (
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
    *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
)


def observe_waiter(provider: cr.Provider, group: logs.ILogGroup) -> None:
    """Log the waiter's errors to a group, and trace it.

    The provider has no property for traces. Its options for logs do nothing unless logging is switched on beside
    them, and then the waiter may write to every log group, which is more than it takes:
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    """
    waiter = provider.node.find_child("waiter-state-machine").node
    machine, role = waiter.find_child("Resource"), waiter.find_child("Role")
    assert isinstance(machine, sfn.CfnStateMachine)  # noqa: S101  # narrows the type
    assert isinstance(role, iam.Role)  # noqa: S101  # narrows the type
    machine.logging_configuration = sfn.CfnStateMachine.LoggingConfigurationProperty(
        destinations=[
            sfn.CfnStateMachine.LogDestinationProperty(
                cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                    log_group_arn=group.log_group_arn
                )
            )
        ],
        level=sfn.LogLevel.ERROR.value,
    )
    machine.tracing_configuration = sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True)
    # CDK lets Step Functions assume the role for whomever; the service's confused deputy is kept out as elsewhere.
    cfn = role.node.default_child
    assert isinstance(cfn, iam.CfnRole)  # noqa: S101  # narrows the type
    cfn.add_property_override(
        "AssumeRolePolicyDocument.Statement.0.Condition",
        OF_THIS_ACCOUNT,
    )
    role.add_to_policy(iam.PolicyStatement(actions=[*DELIVERY, *TRACING], resources=["*"]))
