"""What the states of the training workflow are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sns as sns

from stacks.settings import ClassifierSettings

RUN = "$run"


def expression(text: str) -> str:
    """Return JSONata as a state's field."""
    return f"{{% {text} %}}"


@dataclass(frozen=True)
class JobContext:
    """What every workflow that runs a classifier's jobs has: its settings, names, and the jobs' code and role."""

    classifier: str
    settings: ClassifierSettings
    prefix: str
    deployment: str
    key: kms.IKey
    table: dynamodb.ITable
    topic: sns.ITopic
    job_role: iam.IRole
    code: s3_assets.Asset

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of everything that the workflow makes."""
        return [
            {"Key": "scones:deployment", "Value": self.deployment},
            {"Key": "scones:classifier", "Value": self.classifier},
        ]

    def name(self, step: str) -> str:
        """Return the expression of a job's name: unique to the run, the step and the attempt."""
        return expression(
            f"'{self.prefix}-{step}-' & {RUN} & '-' & $string($states.context.State.RetryCount)"
        )

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        return f"arn:{cdk.Aws.PARTITION}:{service}:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:{resource}"

    @property
    def packages_arn(self) -> str:
        """The ARN of every version in the classifier's group of model packages, which is named as all of its own."""
        return self.arn("sagemaker", f"model-package/{self.prefix}/*")


@dataclass(frozen=True)
class Context(JobContext):
    """One classifier's training workflow: the resources that its states name."""

    datasets: s3.IBucket
    models: s3.IBucket
    results: s3.IBucket
    alarms: Sequence[cloudwatch.IAlarm]
    endpoint_role: iam.Role
    weights: s3_assets.Asset
    source: s3_assets.Asset | None
    package_model: lambda_.IFunction
    smoke_test: lambda_.IFunction
    training_fingerprint: str
    serving_fingerprint: str

    def dataset_uri(self, text: str) -> str:
        """Return the expression of a place in the datasets bucket; `text` is JSONata after the classifier."""
        return expression(f"'s3://{self.datasets.bucket_name}/{self.classifier}/' & {text}")

    def run_uri(self, path: str) -> str:
        """Return the expression of a place among the run's files in the models bucket."""
        return expression(f"'s3://{self.models.bucket_name}/{self.classifier}/runs/' & {RUN} & '/{path}'")
