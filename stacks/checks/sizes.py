"""What a deployment is made of against the sizes and numbers that AWS takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stacks.checks import measures, names
from stacks.checks.assemblies import Assembly
from stacks.checks.measures import Measure
from stacks.checks.result import Result

_CLOUDFORMATION = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
_STATES = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
_LANGUAGE = "https://states-language.net/spec.html#states-fields"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"
_KMS = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html"
_SNS = "https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html"
_EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"
_TARGETS = "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html"
_ALARMS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"


@dataclass(frozen=True)
class Limit:
    """
    One limit of AWS, by default where an account may ask for more.

    Parameters
    ----------
    what
        What is limited, as a finding names it.
    most
        The largest that AWS takes. Where it says KB or MB without the bytes, thousands: the smaller reading.
    unit
        Of what.
    source
        The page that says so.
    measure
        Finds it in an environment.
    """

    what: str
    most: int
    unit: str
    source: str
    measure: Measure


LIMITS = (
    Limit("template", 1_000_000, "bytes", _CLOUDFORMATION, measures.bodies),
    Limit("resources", 500, "resources", _CLOUDFORMATION, measures.section("Resources")),
    Limit("parameters", 200, "parameters", _CLOUDFORMATION, measures.section("Parameters")),
    Limit("outputs", 200, "outputs", _CLOUDFORMATION, measures.section("Outputs")),
    Limit("mappings", 200, "mappings", _CLOUDFORMATION, measures.section("Mappings")),
    Limit("mapping", 200, "attributes", _CLOUDFORMATION, measures.rows),
    Limit("description", 1_024, "bytes", _CLOUDFORMATION, measures.descriptions),
    Limit("logical ID", 255, "characters", _CLOUDFORMATION, measures.logical_ids),
    Limit("role's inline policies", 10_240, "characters", _IAM, measures.inline_policies),
    Limit("role's managed policies", 10, "policies", _IAM, measures.managed_policies),
    Limit(
        *("managed policy", 6_144, "characters", _IAM),
        measures.of("AWS::IAM::ManagedPolicy", "PolicyDocument", measures.without_whitespace),
    ),
    Limit(
        "trust policy",
        2_048,
        "characters",
        _IAM,
        measures.document("AWS::IAM::Role", "AssumeRolePolicyDocument"),
    ),
    Limit(
        "bucket policy", 20_000, "bytes", _S3, measures.document("AWS::S3::BucketPolicy", "PolicyDocument")
    ),
    Limit("key policy", 32_768, "bytes", _KMS, measures.document("AWS::KMS::Key", "KeyPolicy")),
    Limit("queue policy", 8_192, "bytes", _SQS, measures.document("AWS::SQS::QueuePolicy", "PolicyDocument")),
    Limit("queue policy", 20, "statements", _SQS, measures.statements("AWS::SQS::QueuePolicy")),
    Limit("queue policy", 7, "actions in a statement", _SQS, measures.actions("AWS::SQS::QueuePolicy")),
    Limit(
        "topic policy", 30_000, "bytes", _SNS, measures.document("AWS::SNS::TopicPolicy", "PolicyDocument")
    ),
    Limit("topic policy", 100, "statements", _SNS, measures.statements("AWS::SNS::TopicPolicy")),
    Limit(
        "environment",
        4_000,
        "bytes",
        _LAMBDA,
        measures.document("AWS::Lambda::Function", "Environment.Variables"),
    ),
    Limit("layers", 5, "layers", _LAMBDA, measures.entries("AWS::Lambda::Function", "Layers")),
    Limit("unpacked code", 250_000_000, "bytes", _LAMBDA, measures.packages),
    Limit("definition", 1_000_000, "bytes", _STATES, measures.definitions),
    Limit("state's name", 80, "characters", _LANGUAGE, measures.state_names),
    Limit("event pattern", 2_048, "bytes", _EVENTS, measures.document("AWS::Events::Rule", "EventPattern")),
    Limit("rule", 5, "targets", _TARGETS, measures.entries("AWS::Events::Rule", "Targets")),
    Limit("alarm", 5, "actions", _ALARMS, measures.entries("AWS::CloudWatch::Alarm", "AlarmActions")),
    Limit("tags", 50, "tags", _IAM, measures.tags(len)),
    Limit("tag's key", 128, "characters", _IAM, measures.tags(lambda tags: max(map(len, tags)))),
    Limit("tag's value", 256, "characters", _IAM, measures.tags(lambda tags: max(map(len, tags.values())))),
)


def check(assemblies: Sequence[Assembly]) -> Result:
    """Measure each environment as it is named and under the longest name that settings allow."""
    findings: list[str] = []
    count = 0
    nearest = (0.0, "nothing")
    for assembly in assemblies:
        for each in (assembly, names.longest(assembly.env, assembly.overlay, assembly.settings)):
            for limit in LIMITS:
                for where, size in limit.measure(each):
                    count += 1
                    nearest = max(nearest, (size / limit.most, limit.what))
                    if size > limit.most:
                        findings.append(_said(limit, where, size))
    share, what = nearest
    looked_at = f"sizes and their limits; nearest: {what}, {share:.0%}"
    return Result("sizes", looked_at, count, tuple(findings))


def _said(limit: Limit, where: str, size: int) -> str:
    return f"{where}: {limit.what} of {size:,} {limit.unit}, and AWS takes {limit.most:,}: {limit.source}"
