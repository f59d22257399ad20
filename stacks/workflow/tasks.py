"""Makes the workflow's tasks alike: a time-out, retries by name, and one way to fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

RETRIED = {
    "sagemaker": ["SageMaker.AmazonSageMakerException", "SageMaker.SageMakerException"],
    "s3": ["S3.S3Exception", "S3.SdkClientException"],
    "dynamodb": ["DynamoDB.AmazonDynamoDBException", "DynamoDB.ProvisionedThroughputExceededException"],
    "sns": ["SNS.AmazonSNSException", "SNS.InternalErrorException"],
    "sqs": ["Sqs.SqsException", "SQS.AmazonSQSException", "SQS.SdkClientException"],
    "firehose": ["Firehose.FirehoseException", "Firehose.ServiceUnavailableException"],
    "sfn": ["Sfn.SfnException"],
    "cloudwatch": ["CloudWatch.CloudWatchException"],
    "applicationautoscaling": [
        f"ApplicationAutoScaling.{name}Exception"
        for name in ("ApplicationAutoScaling", "ConcurrentUpdate", "InternalService")
    ],
    "lambda": [
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    ],
}
"""Passing faults of each service, by the names that its integrations give them."""
State = sfn.CustomState | sfn.TaskStateBase
JOBS = {
    "TrainingJob": ("training-job", "TrainingJobs"),
    "TransformJob": ("transform-job", "TransformJobs"),
    "ProcessingJob": ("processing-job", "ProcessingJobs"),
    "HyperParameterTuningJob": ("hyper-parameter-tuning-job", "TuningJobs"),
}
"""How a kind of job is written in an ARN, and in the name of the rule by which `.sync` hears of its end."""
CAUGHT = {"failure": "{% $states.errorOutput %}"}


def seconds(count: int) -> sfn.Timeout:
    """Return a task's time-out."""
    return sfn.Timeout.duration(cdk.Duration.seconds(count))


class Tasks:
    """Makes tasks within one workflow.

    Parameters
    ----------
    scope
        Where the states go.
    failure
        The state that every failure leads to, with the variable `failure` set to the error.
    role
        The state machine's, for what `CustomState` cannot grant by itself.
    prefix
        What the names of jobs begin with.
    caught
        What a failure assigns on its way to that state.
    """

    def __init__(
        self,
        scope: Construct,
        failure: sfn.IChainable,
        role: iam.IRole,
        prefix: str,
        caught: Mapping[str, Any] = CAUGHT,
    ) -> None:
        self.scope, self._failure, self._role, self._prefix = scope, failure, role, prefix
        self._caught = caught

    def leading_to(self, failure: sfn.IChainable, caught: Mapping[str, Any] = CAUGHT) -> Tasks:
        """Return what makes tasks whose failures lead to another state."""
        return Tasks(self.scope, failure, self._role, self._prefix, caught)

    def finish(
        self,
        state: State,
        service: str,
        *,
        catch: Mapping[str, sfn.IChainable] | None = None,
        retried: Sequence[str] = (),
    ) -> State:
        """Give a task its retries and its catches; `catch` maps errors to states of their own."""
        state.add_retry(
            errors=[*RETRIED[service], *retried],
            interval=cdk.Duration.seconds(2),
            backoff_rate=2,
            max_attempts=4,
            max_delay=cdk.Duration.seconds(60),
            jitter_strategy=sfn.JitterType.FULL,
        )
        for error, target in (catch or {}).items():
            state.add_catch(target, errors=[error])
        state.add_catch(self._failure, errors=["States.ALL"], assign=dict(self._caught) or None)
        return state

    def grant(self, statement: iam.PolicyStatement) -> None:
        """Let the state machine do what a `CustomState` of its does."""
        self._role.add_to_principal_policy(statement)

    def aws(
        self,
        name: str,
        call: str,
        parameters: Mapping[str, Any],
        *,
        resources: Sequence[str],
        assign: Mapping[str, Any] | None = None,
        also: Sequence[iam.PolicyStatement] = (),
        action: str | None = None,
        catch: Mapping[str, sfn.IChainable] | None = None,
    ) -> State:
        """Make a task of the SDK integration `call`, such as `s3:getObject`."""
        service, operation = call.split(":")
        task = tasks.CallAwsService.jsonata(
            self.scope,
            name,
            service=service,
            action=operation,
            parameters=parameters,
            iam_resources=list(resources),
            iam_action=action,
            additional_iam_statements=list(also) or None,
            assign=assign,
            task_timeout=seconds(60),
        )
        return self.finish(task, service, catch=catch)

    def read_item(self, name: str, table: dynamodb.ITable, item: str, assign: Mapping[str, Any]) -> State:
        """Make a task that reads an item of the state table as it is at that moment."""
        task = tasks.DynamoGetItem.jsonata(
            self.scope,
            name,
            table=table,
            key={"id": tasks.DynamoAttributeValue.from_string(item)},
            consistent_read=True,
            assign=assign,
            task_timeout=seconds(30),
        )
        return self.finish(task, "dynamodb")

    def job(
        self,
        name: str,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        timeout_minutes: int,
        assign: Mapping[str, Any] | None = None,
        names: str = "",
    ) -> State:
        """Make a task that runs a SageMaker job.

        CDK has constructs for some of them, with fewer fields, and grants `sagemaker:ListTags` on everything with each;
        https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html asks for it: here on the job.
        `names` is what the names of such jobs begin with, where that is not the workflow's prefix.
        """
        state = sfn.CustomState(
            self.scope,
            name,
            state_json={
                "Type": "Task",
                "Resource": f"arn:{cdk.Aws.PARTITION}:states:::sagemaker:{operation}.sync",
                "Arguments": arguments,
                "TimeoutSeconds": timeout_minutes * 60,
                **({"Assign": assign} if assign else {}),
            },
        )
        kind = operation.removeprefix("create")
        segment, rule = JOBS[kind]

        def arn(service: str, resource: str) -> str:
            return f"arn:{cdk.Aws.PARTITION}:{service}:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:{resource}"

        for actions, resource in (
            (
                [f"sagemaker:{verb}{kind}" for verb in ("Create", "Describe", "Stop")]
                + ["sagemaker:AddTags", "sagemaker:ListTags"],
                arn("sagemaker", f"{segment}/{names or self._prefix}-*"),
            ),
            # How `.sync` learns of a job's end; for processing jobs CDK has no construct that adds it.
            (
                ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                arn("events", f"rule/StepFunctionsGetEventsForSageMaker{rule}Rule"),
            ),
        ):
            self.grant(iam.PolicyStatement(actions=actions, resources=[resource]))
        return self.finish(state, "sagemaker")
