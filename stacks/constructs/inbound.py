"""From an uploaded object to an execution: rule, queue, dispatcher."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambda_src.environment import DispatcherEnvironment
from stacks.constructs.owned_function import OwnedFunction

MAX_RECEIVES = 4
BATCH = 10
DISPATCH_SECONDS = 120


class Inbound(Construct):
    """The queue is the back-pressure, the retry and the pause switch; dead letters carry their cause.

    Attributes
    ----------
    queue
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        classifier: str,
        machine: sfn.StateMachine,
        dead_letters: sqs.Queue,
        concurrency: int,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=cdk.Duration.seconds(6 * DISPATCH_SECONDS),
            retention_period=cdk.Duration.days(14),
            # The dispatcher puts a message there with its cause; this is for what it never sees.
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_RECEIVES + 2),
        )
        events.Rule(
            self,
            "Uploaded",
            description=f"Images for {classifier}",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket.bucket_name]},
                    "object": {"key": [{"prefix": f"{classifier}/"}]},
                },
            ),
            targets=[targets.SqsQueue(self.queue)],
        )
        dispatcher = OwnedFunction(
            self,
            "Dispatcher",
            name="dispatcher",
            environment=DispatcherEnvironment.variables(
                state_machine_arn=machine.state_machine_arn,
                dead_letter_queue_url=dead_letters.queue_url,
                max_receives=str(MAX_RECEIVES),
                concurrency=str(BATCH),
            ),
            log_retention_days=log_retention_days,
            timeout=cdk.Duration.seconds(DISPATCH_SECONDS),
        )
        machine.grant_start_sync_execution(dispatcher.function)
        dead_letters.grant_send_messages(dispatcher.function)
        dispatcher.function.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=BATCH,
                # Each invocation runs up to a batch at once, and SQS starts two at the least.
                max_concurrency=max(2, concurrency // BATCH),
                report_batch_item_failures=True,
            )
        )
