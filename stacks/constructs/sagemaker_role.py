"""A role that SageMaker's containers run under."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks import images
from stacks.constructs.own_services import own_service


class SageMakerRole(Construct):
    """May pull AWS's images, write its logs and its metrics; the stack grants it data.

    Attributes
    ----------
    role
        Assumed by SageMaker for this account alone.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=own_service("sagemaker"),
        )
        for statement in images.pull_statements(self):
            self.role.add_to_policy(statement)
        groups = (
            f"arn:{cdk.Aws.PARTITION}:logs:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:log-group:/aws/sagemaker/*"
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[groups],
            )
        )
        # PutMetricData has no resource; the namespace confines it.
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
            )
        )
