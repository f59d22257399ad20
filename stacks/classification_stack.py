"""One classifier's decisions: from an uploaded image to a route, a review or a rejection."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from lambda_src.environment import ClassifyImageEnvironment
from stacks.boundary import apply_boundary
from stacks.constructs.classification_workflow import ClassificationWorkflow, Parts
from stacks.constructs.inbound import Inbound
from stacks.constructs.owned_function import OwnedFunction
from stacks.constructs.prediction_log import PredictionLog
from stacks.constructs.results_table import ResultsTable
from stacks.data_stack import DataStack
from stacks.settings import Settings


class ClassificationStack(cdk.Stack):
    """Queue, dispatcher, state machine, results, review, dead letters.

    Attributes
    ----------
    machine, queues, publisher
        The workflow; the queues by what operators call them; the function that publishes decisions and answers.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, classifier: str, data: DataStack
    ) -> None:
        super().__init__(scope, construct_id, description=f"Decisions of the classifier {classifier}")
        chosen = settings.classifier[classifier]
        prefix = settings.prefix(classifier)
        days = settings.log_retention_days
        apply_boundary(self, settings.permissions_boundary)
        review, dead_letters = self._queue("Review"), self._queue("DeadLetters")
        results = ResultsTable(
            self,
            "Results",
            key=data.key,
            publishes={
                "classifier": classifier,
                "routes": json.dumps(dict(chosen.routes)),
                "results_bucket": data.results.bucket_name,
                "datasets_bucket": data.datasets.bucket_name,
            },
            destroys=settings.destroys,
            log_retention_days=days,
            dead_letters=dead_letters,
        )
        # A review is kept for the figures, and its picture, from where it arrived, for the next dataset.
        self.publisher = results.publisher.function
        data.inbound.grant_read(self.publisher, f"{classifier}/*")
        data.results.grant_put(self.publisher, f"reviews/{classifier}/*")
        data.datasets.grant_put(self.publisher, f"{classifier}/reviewed/*")
        classify = OwnedFunction(
            self,
            "Classify",
            name="classify_image",
            environment=ClassifyImageEnvironment.variables(
                endpoint_name=prefix,
                routes=json.dumps(dict(chosen.routes)),
                max_bytes=str(chosen.limits.max_bytes),
                sample_rate=str(chosen.review.sample_rate),
            ),
            log_retention_days=days,
            timeout=cdk.Duration.seconds(70),
            memory_mib=512,
        )
        data.inbound.grant_read(classify.function, f"{classifier}/*")
        endpoint = self.format_arn(service="sagemaker", resource="endpoint", resource_name=prefix)
        classify.role.add_to_policy(
            iam.PolicyStatement(actions=["sagemaker:InvokeEndpoint"], resources=[endpoint])
        )
        log = PredictionLog(
            self, "PredictionLog", bucket=data.results, classifier=classifier, log_retention_days=days
        )
        workflow = ClassificationWorkflow(
            self,
            "Workflow",
            parts=Parts(classifier, classify.function, data.inbound, results.table, review, log.stream),
            log_retention_days=days,
        )
        # DynamoDB opens the table's key in the caller's name, and CDK's tasks grant the table alone:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
        data.key.grant_encrypt_decrypt(workflow.machine)
        inbound = Inbound(
            self,
            "Inbound",
            bucket=data.inbound,
            classifier=classifier,
            machine=workflow.machine,
            dead_letters=dead_letters,
            concurrency=chosen.limits.concurrency,
            log_retention_days=days,
        )
        self.machine = workflow.machine
        self.queues = {"Inbound": inbound.queue, "Review": review, "DeadLetters": dead_letters}
        for name, value in (
            ("ResultsTableName", results.table.table_name),
            ("ClassificationStateMachineArn", workflow.machine.state_machine_arn),
            ("ReviewQueueUrl", review.queue_url),
            ("DeadLetterQueueUrl", dead_letters.queue_url),
            ("InboundQueueUrl", inbound.queue.queue_url),
            ("InboundSourceId", inbound.source.event_source_mapping_id),
            ("EventBusName", results.bus.event_bus_name),
        ):
            cdk.CfnOutput(self, name, value=value)

    def _queue(self, name: str) -> sqs.Queue:
        return sqs.Queue(
            self,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
