"""What the states of the analysis workflow are made from."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_s3 as s3

from stacks.workflow.context import RUN, JobContext

COMMITTED_ALREADY = "DynamoDB.ConditionalCheckFailedException"
NOTHING = "none"
"""An argument of a job must not be empty."""


@dataclass(frozen=True)
class AnalysisContext(JobContext):
    """One classifier's analysis: where it reads and writes, and what it may start."""

    models: s3.IBucket
    results: s3.IBucket
    training_machine_arn: str

    def uri(self, bucket: s3.IBucket, path: str) -> str:
        """Return a place in a bucket, with slashes at its end."""
        return f"s3://{bucket.bucket_name}/{path}/"

    @property
    def report(self) -> str:
        """The JSONata of where a run's results go, without a slash at its end."""
        return f"'s3://{self.results.bucket_name}/analysis/{self.classifier}/' & {RUN}"
