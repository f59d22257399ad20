"""A bucket as every bucket here is: encrypted, private, TLS only."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.log_group import log_group
from stacks.constructs.own_services import OF_THIS_ACCOUNT

AUTO_DELETE_PROVIDER = "Custom::S3AutoDeleteObjectsCustomResourceProvider"


class PrivateBucket(Construct):
    """One bucket.

    Attributes
    ----------
    bucket
        With the key's encryption, or S3's own where access logs arrive, which take no key.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None,
        removal_policy: cdk.RemovalPolicy,
        lifecycle: Sequence[s3.LifecycleRule],
        versioned: bool = False,
        access_logs: s3.IBucket | None = None,
        events: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=versioned,
            lifecycle_rules=list(lifecycle),
            removal_policy=removal_policy,
            auto_delete_objects=removal_policy == cdk.RemovalPolicy.DESTROY,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/" if access_logs else None,
        )
        if events:
            # The L2 property would add a function that nobody owns: https://github.com/aws/aws-cdk/issues/26553
            resource = self.bucket.node.default_child
            assert isinstance(resource, s3.CfnBucket)  # noqa: S101  # narrows the type
            resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                    event_bridge_enabled=True
                )
            )


def confine_auto_delete(stack: cdk.Stack, retention_days: int) -> None:
    """Give CDK's bucket-emptying function a log group that goes with the stack, and a role for this account alone."""
    provider = stack.node.find_child(AUTO_DELETE_PROVIDER)
    function, role = provider.node.find_child("Handler"), provider.node.find_child("Role")
    assert isinstance(function, cdk.CfnResource)  # noqa: S101  # narrows the type
    assert isinstance(role, cdk.CfnResource)  # noqa: S101  # narrows the type
    role.add_property_override("AssumeRolePolicyDocument.Statement.0.Condition", OF_THIS_ACCOUNT)
    group = log_group(stack, "AutoDeleteLogs", retention_days)
    function.add_property_override("LoggingConfig", {"LogGroup": group.log_group_name})
