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
LARGEST_BATCH = 10
FEWEST_DISPATCHERS = 2
"""SQS starts no fewer."""
DISPATCH_SECONDS = 150


def lanes(concurrency: int) -> tuple[int, int]:
    """Return how many dispatchers run at once and how many images each has: `concurrency` at most."""
    batch = max(1, min(LARGEST_BATCH, concurrency // FEWEST_DISPATCHERS))
    return max(FEWEST_DISPATCHERS, concurrency // batch), batch


class Inbound(Construct):
    """The queue is the back-pressure, the retry and the pause switch; dead letters carry their cause.

    Attributes
    ----------
    queue
    source
        What takes messages from the queue to the dispatcher; the pause switch.
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
            # A message that failed waits for this before its next try. AWS advises six times the function's
            # time-out because of throttled pollers; bounded concurrency throttles none.
            visibility_timeout=cdk.Duration.seconds(DISPATCH_SECONDS + 30),
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
            targets=[targets.SqsQueue(self.queue, dead_letter_queue=dead_letters)],
        )
        dispatchers, batch = lanes(concurrency)
        dispatcher = OwnedFunction(
            self,
            "Dispatcher",
            name="dispatcher",
            environment=DispatcherEnvironment.variables(
                state_machine_arn=machine.state_machine_arn,
                dead_letter_queue_url=dead_letters.queue_url,
                max_receives=str(MAX_RECEIVES),
                concurrency=str(batch),
            ),
            log_retention_days=log_retention_days,
            timeout=cdk.Duration.seconds(DISPATCH_SECONDS),
        )
        machine.grant_start_sync_execution(dispatcher.function)
        dead_letters.grant_send_messages(dispatcher.function)
        self.source = sources.SqsEventSource(
            self.queue, batch_size=batch, max_concurrency=dispatchers, report_batch_item_failures=True
        )
        dispatcher.function.add_event_source(self.source)
