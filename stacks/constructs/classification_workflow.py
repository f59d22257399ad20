"""The decisions on uploaded images as a synchronous Express state machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from lambda_src.naming import UNDECIDED
from stacks.constructs.log_group import machine_log_group
from stacks.workflow.context import expression
from stacks.workflow.decision import answered, decide, read_item, write_item
from stacks.workflow.items import texts
from stacks.workflow.tasks import RETRIED, seconds

MAX_TAGS = 10
"""Of an object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""
RECORDED_ALREADY = "DynamoDB.ConditionalCheckFailedException"


@dataclass(frozen=True)
class Parts:
    """What the states use."""

    classifier: str
    classify: lambda_.IFunction
    inbound: s3.IBucket
    table: dynamodb.ITable
    review: sqs.IQueue
    log: firehose.IDeliveryStream


class ClassificationWorkflow(Construct):
    """Classify all images in one request; for each choose, record once, tag, hand over to people, log.

    An image that fails, at whatever, fails alone; the execution fails when all have ended, and says which did, so that
    the dispatcher leaves their messages in the queue.

    Attributes
    ----------
    machine
        Its input's `images` point at object versions; its output has for each, in order, the recorded `decision`. The
        cause of the error `UNDECIDED` has for each, in order, nothing or a `failure` with its `error` and `cause`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, parts: Parts, log_retention_days: int) -> None:
        super().__init__(scope, construct_id)
        self._parts = parts
        self._undecided = sfn.Succeed.jsonata(self, "Undecided", outputs={"failure": expression("$failure")})
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.EXPRESS,
            definition_body=sfn.DefinitionBody.from_chainable(self._definition()),
            query_language=sfn.QueryLanguage.JSONATA,
            timeout=cdk.Duration.seconds(140),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=machine_log_group(self, "Logs", log_retention_days), level=sfn.LogLevel.ERROR
            ),
        )

    def _definition(self) -> sfn.IChainable:
        classify = tasks.LambdaInvoke.jsonata(
            self,
            "ClassifyImages",
            lambda_function=self._parts.classify,
            payload=sfn.TaskInput.from_text(expression("$states.input")),
            payload_response_only=True,
            retry_on_service_exceptions=False,
            task_timeout=seconds(75),
        )
        self._retry(classify, ["EndpointBusyError", *RETRIED["lambda"]])
        each = sfn.Map.jsonata(
            self, "DecideEach", items=sfn.ProvideItems.jsonata(expression("$states.input"))
        )
        cause = "$substring(failure.cause, 0, 500)"  # 10 of them are far below what a cause may have
        told = f"$states.input.{{'failure': failure ? {{'error': failure.error, 'cause': {cause}}}}}"
        failed = sfn.Fail.jsonata(
            self, "SomeUndecided", error=UNDECIDED, cause=expression(f"$string([{told}])")
        )
        end = sfn.Choice.jsonata(self, "AllDecided")
        end.when(sfn.Condition.jsonata(expression("$exists($states.input.failure)")), failed)
        end.otherwise(sfn.Succeed.jsonata(self, "Done"))
        each.item_processor(self._decision())
        return sfn.Chain.start(classify).next(each).next(end)

    def _decision(self) -> sfn.IChainable:
        """Decide on one image by what the function says of it."""
        name = self._parts.classifier
        routed = decide(self, "Routed", name, "routed", {"route": expression("$answer.route"), **answered()})
        review = decide(self, "Unsure", name, "review", answered())
        reason = {"reason": expression("$failure.cause"), "confidence": 0, "milliseconds": 0}
        rejected = decide(self, "Rejected", name, "rejected", reason)
        record = self._record()
        for state in (routed, review, rejected):
            state.next(record)
        choice = sfn.Choice.jsonata(self, "Confident")
        for condition, following in (
            ("$failure.error = 'InvalidImageError'", rejected),
            ("$exists($failure.error)", self._undecided),
            ("$answer.confident = true", routed),
        ):
            choice.when(sfn.Condition.jsonata(expression(condition)), following)
        choice.otherwise(review)
        begin = sfn.Pass.jsonata(
            self,
            "Begin",
            assign={
                **{name: expression(f"$states.input.{name}") for name in ("image", "answer", "failure")},
                "id": expression(
                    "$substring($hash($states.input.image.bucket & '\\n' & $states.input.image.key & '\\n' & "
                    "$states.input.image.version_id, 'SHA-256'), 0, 32)"
                ),
            },
        )
        return sfn.Chain.start(begin).next(choice)

    def _record(self) -> sfn.IChainable:
        """Record the decision if none is recorded yet, else take up the recorded one; then act on it."""
        put = tasks.DynamoPutItem.jsonata(
            self,
            "Record",
            table=self._parts.table,
            item=write_item(),
            condition_expression="attribute_not_exists(#object)",
            expression_attribute_names={"#object": "object"},
            task_timeout=seconds(10),
        )
        self._retry(put, RETRIED["dynamodb"])
        # A replay must tag and log what was decided, even where another model would decide otherwise by now.
        read = tasks.DynamoGetItem.jsonata(
            self,
            "ReadRecorded",
            table=self._parts.table,
            key=texts({name: expression(f"$decision.{name}") for name in ("object", "version_id")}),
            consistent_read=True,
            assign={"decision": read_item()},
            task_timeout=seconds(10),
        )
        self._retry(read, RETRIED["dynamodb"])
        tags = self._tag()
        put.add_catch(read, errors=[RECORDED_ALREADY])
        for task in (put, read):
            self._let_others_go_on(task)
        read.next(tags)
        return sfn.Chain.start(put).next(tags)

    def _tag(self) -> sfn.IChainable:
        """Merge the decision into the object's tags, as far as its own leave room, then hand over and log."""
        version = {
            "Bucket": expression("$image.bucket"),
            "Key": expression("$image.key"),
            "VersionId": expression("$image.version_id"),
        }
        read = self._s3(
            "ReadTags",
            "getObjectTagging",
            version,
            "s3:GetObjectVersionTagging",
            assign={
                # The brackets keep it a list when nothing is left, which JSONata would call undefined.
                "tags": expression("[$states.result.TagSet[$not(Key in ['scones:outcome', 'scones:class'])]]")
            },
        )
        own = (
            "[{'Key': 'scones:outcome', 'Value': $decision.outcome}, "
            "{'Key': 'scones:class', 'Value': $decision.class}]"
        )
        write = self._s3(
            "WriteTags",
            "putObjectTagging",
            {**version, "Tagging": {"TagSet": expression(f"$append($tags, {own})[[0..{MAX_TAGS - 1}]]")}},
            "s3:PutObjectVersionTagging",
        )
        return sfn.Chain.start(read).next(write).next(self._hand_over())

    def _hand_over(self) -> sfn.IChainable:
        hand_over = tasks.SqsSendMessage.jsonata(
            self,
            "SendToReview",
            queue=self._parts.review,
            message_body=sfn.TaskInput.from_object({"decision": expression("$decision")}),
            task_timeout=seconds(10),
        )
        self._retry(hand_over, RETRIED["sqs"])
        self._let_others_go_on(hand_over)
        line = (
            "$string($merge([$decision, {'image': $answer.image, 'embedding': $answer.embedding}])) & '\\n'"
        )
        log = tasks.CallAwsService.jsonata(
            self,
            "LogPrediction",
            service="firehose",
            action="putRecord",
            parameters={
                "DeliveryStreamName": self._parts.log.delivery_stream_name,
                "Record": {"Data": expression(line)},
            },
            iam_resources=[self._parts.log.delivery_stream_arn],
            task_timeout=seconds(10),
        )
        self._retry(log, RETRIED["firehose"])
        self._let_others_go_on(log)
        done = sfn.Succeed.jsonata(self, "Decided", outputs={"decision": expression("$decision")})
        unsure = sfn.Choice.jsonata(self, "NeedsReview")
        unsure.when(
            sfn.Condition.jsonata(expression("$decision.outcome = 'review' or $decision.sampled")),
            sfn.Chain.start(hand_over).next(log),
        ).otherwise(log)
        log.next(done)
        return unsure

    def _s3(
        self,
        name: str,
        action: str,
        parameters: Mapping[str, object],
        iam_action: str,
        *,
        assign: Mapping[str, str] | None = None,
    ) -> tasks.CallAwsService:
        task = tasks.CallAwsService.jsonata(
            self,
            name,
            service="s3",
            action=action,
            parameters=parameters,
            iam_action=iam_action,
            iam_resources=[self._parts.inbound.arn_for_objects(f"{self._parts.classifier}/*")],
            assign=assign,
            task_timeout=seconds(10),
        )
        self._retry(task, RETRIED["s3"])
        self._let_others_go_on(task)
        return task

    def _let_others_go_on(self, state: sfn.TaskStateBase) -> None:
        """Lead any failure to the end of this image's way: a Map stops all its items when one of them fails."""
        said = "{'error': $states.errorOutput.Error, 'cause': $states.errorOutput.Cause}"
        state.add_catch(self._undecided, errors=["States.ALL"], assign={"failure": expression(said)})

    def _retry(self, state: sfn.TaskStateBase, errors: list[str]) -> None:
        state.add_retry(
            errors=errors,
            interval=cdk.Duration.seconds(1),
            backoff_rate=2,
            max_attempts=4,
            jitter_strategy=sfn.JitterType.FULL,
        )
