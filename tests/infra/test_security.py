"""Encryption, privacy and least privilege, in every environment."""

from __future__ import annotations

import json

from tests.infra.conftest import Synthesized

UNSCOPED = {
    # No resource-level permission exists for these.
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "sagemaker:ListTags",
    "sagemaker:listEndpoints",
    "sagemaker:ListEndpoints",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels",
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListTransformJobs",
    "dynamodb:ListStreams",
}


def _actions(statement: dict[str, object]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)  # type: ignore[call-overload]


def test_buckets_are_encrypted_private_and_tls_only(synthesized: Synthesized) -> None:
    buckets = dict(synthesized.resources("AWS::S3::Bucket"))
    assert len(buckets) == 5
    policies = [policy for _, policy in synthesized.resources("AWS::S3::BucketPolicy")]
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"], name
        assert all(properties["PublicAccessBlockConfiguration"].values()), name
        own = [policy for policy in policies if policy["Properties"]["Bucket"] == {"Ref": name}]
        assert "aws:SecureTransport" in json.dumps(own), name


def test_the_key_rotates(synthesized: Synthesized) -> None:
    assert [key["Properties"]["EnableKeyRotation"] for _, key in synthesized.resources("AWS::KMS::Key")] == [
        True
    ]


def test_no_statement_allows_every_action(synthesized: Synthesized) -> None:
    for statement in synthesized.statements():
        assert not [
            action for action in _actions(statement) if action in ("*", "s3:*", "sagemaker:*", "iam:*")
        ]


def test_no_managed_policy_gives_full_access(synthesized: Synthesized) -> None:
    assert "FullAccess" not in json.dumps(synthesized.templates)


def test_a_star_resource_stands_only_where_aws_has_no_other(synthesized: Synthesized) -> None:
    for statement in synthesized.statements():
        if statement["Resource"] == "*" and statement["Effect"] == "Allow":
            assert not set(_actions(statement)) - UNSCOPED, statement


def test_pass_role_names_the_service(synthesized: Synthesized) -> None:
    passing = [each for each in synthesized.statements() if "iam:PassRole" in _actions(each)]
    assert passing
    for statement in passing:
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"] == "sagemaker.amazonaws.com"


def test_every_function_has_an_owned_log_group(synthesized: Synthesized) -> None:
    for name, function in synthesized.resources("AWS::Lambda::Function"):
        assert "LogGroup" in function["Properties"].get("LoggingConfig", {}), name


def test_queues_are_encrypted_and_tls_only(synthesized: Synthesized) -> None:
    policies = json.dumps([each for _, each in synthesized.resources("AWS::SQS::QueuePolicy")])
    for name, queue in synthesized.resources("AWS::SQS::Queue"):
        assert queue["Properties"]["SqsManagedSseEnabled"] is True
        assert name in policies
