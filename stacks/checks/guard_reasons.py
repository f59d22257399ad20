"""Why a finding of cfn-guard is left standing: rule, construct, reason."""

from __future__ import annotations

from stacks.checks.reasons import Reason, of_destroyed

REASONS: tuple[Reason, ...] = (
    (
        r"cloudwatch_log_group_retention_period_check",
        r".*/(Logs|AutoDeleteLogs|ProviderLogs|WaiterLogs)/Resource",
        "A setting says how long, and takes a year too; decisions stay in a table and in S3, whatever it says.",
    ),
    (
        r"cloudwatch_log_group_encrypted_check",
        r".*/(Logs|AutoDeleteLogs|ProviderLogs|WaiterLogs)/Resource",
        "CloudWatch encrypts every group with its own key; ours guards the pictures and the decisions, and what "
        "is logged is names, counts and errors.",
    ),
    (
        r"lambda_inside_vpc_check",
        r".*/(Function/Resource|framework-\w+/Resource|Custom::S3AutoDeleteObjectsCustomResourceProvider/Handler)",
        "The functions call AWS's services alone, with TLS and by their roles; a VPC would take a paid endpoint "
        "for each of those services, and keep nothing out that the roles let in.",
    ),
    (
        r"s3_bucket_(default_encryption_kms|logging_enabled)_check",
        r".*-data/AccessLogs/Bucket/Resource",
        "S3 delivers access logs only where its own key encrypts, and a log of the log would log itself.",
    ),
    (
        r"s3_bucket_versioning_enabled_check",
        r".*-data/(AccessLogs|Results)/Bucket/Resource",
        "Each log and each batch of predictions has a key of its own: nothing is written over.",
    ),
    (
        r"s3_event_notifications_enabled_check",
        r".*-data/(AccessLogs|Datasets|Models|Results)/Bucket/Resource",
        "Nothing waits for what is written there; the one bucket that starts something, Inbound, tells EventBridge.",
    ),
    (
        r"s3_bucket_object_lock_enabled_check",
        r".*-data/AccessLogs/Bucket/Resource",
        "S3 delivers no access logs to a bucket with Object Lock.",
    ),
    (
        r"s3_bucket_object_lock_enabled_check",
        r".*-data/(Inbound|Datasets|Models|Results)/Bucket/Resource",
        "A locked picture could not be erased when its owner asks, nor by `cdk destroy` where the settings say so; "
        "what is to stay is retained, in versions.",
    ),
    (
        r"sqs_dlq_check",
        r".*-(classification|monitoring)/(Review|DeadLetters|Undelivered)/Resource",
        "People read these queues; no consumer fails on a message, and two of them are where dead letters end.",
    ),
)
OF_DESTROYED = of_destroyed(r"dynamodb_table_pitr_enabled_check")
