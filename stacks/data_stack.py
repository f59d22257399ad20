"""The only stack with state: the key and the buckets."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks import images
from stacks.boundary import apply_boundary
from stacks.constructs.private_bucket import PrivateBucket, confine_auto_delete
from stacks.settings import Settings

NONCURRENT_DAYS = 30


class DataStack(cdk.Stack):
    """Key and buckets, kept or destroyed by setting."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id, description="Data of the image classifiers")
        apply_boundary(self, settings.permissions_boundary)
        types = [kind for each in settings.chosen().values() for kind in images.instance_types(each)]
        images.confine(self, types)
        cdk.CfnOutput(
            self,
            "ImageRegistryAccount",
            value=images.account(self),
            description="Whose images the jobs and endpoints run; where there are none, nothing is deployed",
        )
        policy = cdk.RemovalPolicy.DESTROY if settings.destroys else cdk.RemovalPolicy.RETAIN
        self.key = kms.Key(
            self,
            "Key",
            description=f"Data of {settings.deployment}",
            enable_key_rotation=True,
            removal_policy=policy,
            pending_window=cdk.Duration.days(7 if settings.destroys else 30),
        )
        # The key's use is lent to AWS's services for a resource of theirs, and to nobody else.
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="GrantsForServicesAlone",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["kms:CreateGrant"],
                resources=["*"],
                conditions={
                    "BoolIfExists": {
                        "kms:GrantIsForAWSResource": "false",
                        "aws:PrincipalIsAWSService": "false",
                    }
                },
            )
        )
        logs = PrivateBucket(
            self,
            "AccessLogs",
            key=None,
            removal_policy=policy,
            lifecycle=[s3.LifecycleRule(expiration=cdk.Duration.days(90))],
        ).bucket
        old = s3.LifecycleRule(
            noncurrent_version_expiration=cdk.Duration.days(NONCURRENT_DAYS),
            abort_incomplete_multipart_upload_after=cdk.Duration.days(2),
        )

        def bucket(name: str, *, versioned: bool = True, events: bool = False) -> s3.Bucket:
            made = PrivateBucket(
                self,
                name,
                key=self.key,
                removal_policy=policy,
                lifecycle=[old],
                versioned=versioned,
                access_logs=logs,
                events=events,
            )
            cdk.CfnOutput(self, f"{name}BucketName", value=made.bucket.bucket_name)
            return made.bucket

        self.inbound = bucket("Inbound", events=True)
        self.datasets = bucket("Datasets")
        self.models = bucket("Models")
        self.results = bucket("Results", versioned=False)
        if settings.destroys:
            confine_auto_delete(self, settings.log_retention_days)
