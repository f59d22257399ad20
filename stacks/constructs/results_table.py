"""One recorded outcome per object version, and the events that follow from it."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from lambda_src.environment import PublishDecisionEnvironment
from stacks.constructs.owned_function import OwnedFunction


class ResultsTable(Construct):
    """The table of decisions and reviews; its stream becomes their events, so that they cannot diverge.

    Attributes
    ----------
    table, bus
    publisher
        The function that reads the stream.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        publishes: Mapping[str, str],
        destroys: bool,
        log_retention_days: int,
        dead_letters: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        # TableV2 takes no key of ours in a region-agnostic stack.
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="object", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="version_id", type=dynamodb.AttributeType.STRING),
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            removal_policy=cdk.RemovalPolicy.DESTROY if destroys else cdk.RemovalPolicy.RETAIN,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=not destroys
            ),
        )
        self.bus = events.EventBus(self, "Bus")
        self.publisher = OwnedFunction(
            self,
            "Publish",
            name="publish_decision",
            environment=PublishDecisionEnvironment.variables(
                event_bus_name=self.bus.event_bus_name,
                dead_letter_queue_url=dead_letters.queue_url,
                **publishes,
            ),
            log_retention_days=log_retention_days,
            timeout=cdk.Duration.seconds(60),
        )
        self.bus.grant_put_events_to(self.publisher.function)
        self.publisher.function.add_event_source(
            sources.DynamoEventSource(
                self.table,
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                batch_size=50,
                report_batch_item_failures=True,
                # Tried until the stream forgets it, after 24 hours: an outage is no reason to lose an answer.
                on_failure=sources.SqsDlq(dead_letters),
            )
        )
