"""What alarms and the dashboard both look at: the metrics of one classifier's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import VARIANT
from stacks.workflow.analysis import NAMESPACE


@dataclass(frozen=True)
class Watched:
    """One classifier's endpoint, machines and queues.

    Parameters
    ----------
    endpoint_name
        The endpoint, which the training workflow makes.
    instance_type
        What it runs on, such as ml.g5.xlarge.
    machines, queues
        By what operators call them.
    publisher
        The function that publishes what the results table's stream says.
    """

    classifier: str
    endpoint_name: str
    instance_type: str
    machines: Mapping[str, sfn.IStateMachine]
    queues: Mapping[str, sqs.IQueue]
    publisher: lambda_.IFunction

    def invocations(
        self, name: str, statistic: str, minutes: int = 5, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return what SageMaker counts of the endpoint's requests."""
        return self._endpoint("AWS/SageMaker", name, statistic, minutes, label)

    def instances(self, name: str, statistic: str = "Maximum", minutes: int = 5) -> cloudwatch.Metric:
        """Return how busy the endpoint's machines are, in percent of one processor, of one GPU, or of a memory."""
        return self._endpoint("/aws/sagemaker/Endpoints", name, statistic, minutes, None)

    def drift(self, name: str, statistic: str = "Maximum", hours: int = 1) -> cloudwatch.Metric:
        """Return what the analysis publishes."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"Classifier": self.classifier, "Endpoint": self.endpoint_name},
            statistic=statistic,
            period=cdk.Duration.hours(hours),
        )

    def _endpoint(
        self, namespace: str, name: str, statistic: str, minutes: int, label: str | None
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name, "VariantName": VARIANT},
            statistic=statistic,
            period=cdk.Duration.minutes(minutes),
            label=label,
        )
