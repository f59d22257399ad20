"""The prediction log: every decision as a line of JSON in the results bucket."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.log_group import log_group
from stacks.constructs.own_services import own_service


class PredictionLog(Construct):
    """A Firehose stream.

    Attributes
    ----------
    stream
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        classifier: str,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        firehose_service = own_service("firehose")
        role = iam.Role(self, "Role", assumed_by=firehose_service)
        self.stream = firehose.DeliveryStream(
            self,
            "Stream",
            encryption=firehose.StreamEncryption.aws_owned_key(),
            destination=firehose.S3Bucket(
                bucket,
                role=role,
                compression=firehose.Compression.GZIP,
                buffering_interval=cdk.Duration.seconds(60),
                buffering_size=cdk.Size.mebibytes(5),
                data_output_prefix=f"predictions/{classifier}/!{{timestamp:yyyy/MM/dd/HH}}/",
                error_output_prefix=f"prediction-errors/{classifier}/!{{firehose:error-output-type}}/",
                logging_config=firehose.EnableLogging(log_group(self, "Logs", log_retention_days)),
            ),
        )
        # For streams in a VPC, which this is not; CloudFormation's validation calls it unused, and rightly.
        cdk.Stack.of(self).node.try_remove_child("@aws-cdk--aws-kinesisfirehose.CidrBlocks")
