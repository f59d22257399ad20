"""One image's decision as a synchronous Express state machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.constructs.log_group import log_group
from stacks.workflow.context import expression
from stacks.workflow.tasks import seconds

RECORDED_ALREADY = "DynamoDB.ConditionalCheckFailedException"
FIELDS = ("decision_id", "class", "route", "reason", "model_version", "inference_id")


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
    """Classify, choose, record once, tag, hand over to people where unsure, log.

    Attributes
    ----------
    machine
        Its input points at an object version; its output is the decision.
    """

    def __init__(self, scope: Construct, construct_id: str, *, parts: Parts, log_retention_days: int) -> None:
        super().__init__(scope, construct_id)
        self._parts = parts
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.EXPRESS,
            definition_body=sfn.DefinitionBody.from_chainable(self._definition()),
            query_language=sfn.QueryLanguage.JSONATA,
            timeout=cdk.Duration.seconds(110),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", log_retention_days), level=sfn.LogLevel.ERROR
            ),
        )

    def _definition(self) -> sfn.IChainable:
        record = self._record()
        classify = tasks.LambdaInvoke.jsonata(
            self,
            "ClassifyImage",
            lambda_function=self._parts.classify,
            payload=sfn.TaskInput.from_text(expression("$states.input")),
            payload_response_only=True,
            retry_on_service_exceptions=False,
            assign={"answer": expression("$states.result")},
            task_timeout=seconds(75),
        )
        classify.add_retry(
            errors=[
                "EndpointBusyError",
                "Lambda.ServiceException",
                "Lambda.AWSLambdaException",
                "Lambda.SdkClientException",
                "Lambda.TooManyRequestsException",
            ],
            interval=cdk.Duration.seconds(1),
            backoff_rate=2,
            max_attempts=4,
            jitter_strategy=sfn.JitterType.FULL,
        )
        rejected = self._decide(
            "Rejected",
            "rejected",
            {"reason": expression("$parse($failure.Cause).errorMessage"), "confidence": 0, "milliseconds": 0},
        )
        classify.add_catch(
            rejected, errors=["InvalidImageError"], assign={"failure": expression("$states.errorOutput")}
        )
        routed = self._decide("Routed", "routed", {"route": expression("$answer.route"), **_answered()})
        review = self._decide("Unsure", "review", _answered())
        choice = sfn.Choice.jsonata(self, "Confident")
        choice.when(sfn.Condition.jsonata(expression("$answer.confident = true")), routed).otherwise(review)
        for state in (routed, review, rejected):
            state.next(record)
        begin = sfn.Pass.jsonata(
            self,
            "Begin",
            assign={
                "image": expression("$states.input"),
                "answer": {},
                "id": expression(
                    "$substring($hash($states.input.bucket & '\\n' & $states.input.key & '\\n' & "
                    "$states.input.version_id, 'SHA-256'), 0, 32)"
                ),
            },
        )
        return sfn.Chain.start(begin).next(classify).next(choice)

    def _decide(self, name: str, outcome: str, fields: Mapping[str, Any]) -> sfn.Pass:
        empty = dict.fromkeys(("class", "route", "reason", "model_version", "inference_id"), "")
        decision = {
            **empty,
            "probabilities": "{}",
            "threshold": 0,
            **fields,
            "object": expression("'s3://' & $image.bucket & '/' & $image.key"),
            "version_id": expression("$image.version_id"),
            "decision_id": expression("$id"),
            "classifier": self._parts.classifier,
            "outcome": outcome,
            "recorded_at": expression("$now()"),
        }
        return sfn.Pass.jsonata(self, name, assign={"decision": decision})

    def _record(self) -> sfn.IChainable:
        """Record the decision if none is recorded, tag the object, hand over, log."""
        parts = self._parts
        text = ("object", "version_id", *FIELDS, "classifier", "outcome", "probabilities", "recorded_at")
        item = {
            name: tasks.DynamoAttributeValue.from_string(expression(f"$decision.{name}")) for name in text
        } | {
            name: tasks.DynamoAttributeValue.number_from_string(expression(f"$string($decision.{name})"))
            for name in ("confidence", "threshold", "milliseconds")
        }
        put = tasks.DynamoPutItem.jsonata(
            self,
            "Record",
            table=parts.table,
            item=item,
            condition_expression="attribute_not_exists(#object)",
            expression_attribute_names={"#object": "object"},
            task_timeout=seconds(10),
        )
        read_tags = self._sdk(
            "ReadTags",
            "s3",
            "getObjectTagging",
            {**_version()},
            "s3:GetObjectVersionTagging",
            assign={
                "tags": expression("$states.result.TagSet[$not(Key in ['scones:outcome', 'scones:class'])]")
            },
        )
        write_tags = self._sdk(
            "WriteTags",
            "s3",
            "putObjectTagging",
            {
                **_version(),
                "Tagging": {
                    "TagSet": expression(
                        "$append([$tags], [{'Key': 'scones:outcome', 'Value': $decision.outcome}, "
                        "{'Key': 'scones:class', 'Value': $decision.class}])"
                    )
                },
            },
            "s3:PutObjectVersionTagging",
        )
        hand_over = tasks.SqsSendMessage.jsonata(
            self,
            "SendToReview",
            queue=parts.review,
            message_body=sfn.TaskInput.from_object({"decision": expression("$decision")}),
            task_timeout=seconds(10),
        )
        log = tasks.CallAwsService.jsonata(
            self,
            "LogPrediction",
            service="firehose",
            action="putRecord",
            parameters={
                "DeliveryStreamName": parts.log.delivery_stream_name,
                "Record": {
                    "Data": expression(
                        "$string($merge([$decision, {'image': $answer.image, 'embedding': $answer.embedding}])) & "
                        "'\\n'"
                    )
                },
            },
            iam_resources=[parts.log.delivery_stream_arn],
            task_timeout=seconds(10),
        )
        for state in (put, hand_over, log, read_tags, write_tags):
            state.add_retry(
                errors=["States.TaskFailed"], max_attempts=3, jitter_strategy=sfn.JitterType.FULL
            ) if state is not put else state.add_retry(
                errors=["DynamoDB.AmazonDynamoDBException", "DynamoDB.ThrottlingException"],
                max_attempts=3,
                jitter_strategy=sfn.JitterType.FULL,
            )
        put.add_catch(read_tags, errors=[RECORDED_ALREADY])
        done = sfn.Succeed.jsonata(self, "Decided", outputs=expression("$decision"))
        unsure = sfn.Choice.jsonata(self, "NeedsReview")
        unsure.when(
            sfn.Condition.jsonata(expression("$decision.outcome = 'review'")),
            sfn.Chain.start(hand_over).next(log),
        ).otherwise(log)
        log.next(done)
        return sfn.Chain.start(put).next(read_tags).next(write_tags).next(unsure)

    def _sdk(
        self,
        name: str,
        service: str,
        action: str,
        parameters: Mapping[str, Any],
        iam_action: str,
        *,
        assign: Mapping[str, Any] | None = None,
    ) -> tasks.CallAwsService:
        return tasks.CallAwsService.jsonata(
            self,
            name,
            service=service,
            action=action,
            parameters=parameters,
            iam_action=iam_action,
            iam_resources=[self._parts.inbound.arn_for_objects(f"{self._parts.classifier}/*")],
            assign=assign,
            task_timeout=seconds(10),
        )


def _version() -> dict[str, str]:
    return {
        "Bucket": expression("$image.bucket"),
        "Key": expression("$image.key"),
        "VersionId": expression("$image.version_id"),
    }


def _answered() -> dict[str, str]:
    names = ("class", "confidence", "threshold", "model_version", "inference_id", "milliseconds")
    return {
        **{name: expression(f"$answer.{name}") for name in names},
        "probabilities": expression("$string($answer.probabilities)"),
    }
