"""Look at the prediction log, tell CloudWatch, and train anew where that is called for."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from lambda_src.naming import SHADOW_VARIANT
from stacks.workflow.context import RUN, JobContext, expression
from stacks.workflow.dataset import JOB_MINUTES, OUTPUT, processing, s3_input, s3_output
from stacks.workflow.shadow import captured
from stacks.workflow.tasks import STARTING_MINUTES, State, Tasks, seconds
from stacks.workflow.undo import DESCRIPTION_LIMIT

NAMESPACE = "Scones/Monitoring"
DRIFTS = ("InputDrift", "EmbeddingDrift", "ClassMixDrift", "ConfidenceDrift", "PoorQuality")
"""1 where the analysis found it, else 0."""
PUBLISHED = (*DRIFTS, "AbstainRate", "RoutedAccuracy")
"""Of the metrics that the analysis publishes, those that somebody here looks at."""
LATE_HOURS = 72
"""Files that Firehose delivers later than this are not read; it retries a delivery for 24 hours."""
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


def analyse(make: Tasks, context: AnalysisContext) -> sfn.IChainable:
    """Read what is new, judge it, publish the figures, remember how far it went, and retrain if need be."""
    steps = (_read_state, _read_retraining, _read_champion, _job, _read_analysis, _publish, _commit)
    chain = sfn.Chain.start(_begin(make))
    for step in steps:
        chain = chain.next(step(make, context))
    return chain.next(_back(make, context, _wanted(make, context)))


def _begin(make: Tasks) -> sfn.Pass:
    return sfn.Pass.jsonata(
        make.scope,
        "Begin",
        assign={"run": expression("$substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12)")},
    )


def _read_item(make: Tasks, context: AnalysisContext, name: str, item: str, fields: tuple[str, ...]) -> State:
    found = {
        field: expression(
            f"$boolean($states.result.Item.{field}.S) ? $states.result.Item.{field}.S : '{NOTHING}'"
        )
        for field in fields
    }
    return make.read_item(name, context.table, item, {item: found})


def _read_state(make: Tasks, context: AnalysisContext) -> State:
    return _read_item(make, context, "ReadState", "analysis", ("run", "state_uri"))


def _read_retraining(make: Tasks, context: AnalysisContext) -> State:
    return _read_item(make, context, "ReadRetraining", "retraining", ("at",))


def _read_champion(make: Tasks, context: AnalysisContext) -> State:
    fields = ("recorded_at", "model_package_arn", "previous_package_arn")
    return _read_item(make, context, "ReadChampion", "champion", fields)


def _job(make: Tasks, context: AnalysisContext) -> State:
    watched = context.settings.monitoring
    shadow = f"{context.prefix}/{SHADOW_VARIANT}"
    arguments = [
        "analyze.py",
        *("--log", context.uri(context.results, f"predictions/{context.classifier}")),
        *("--reviews", context.uri(context.results, f"reviews/{context.classifier}")),
        *("--runs", context.uri(context.models, f"{context.classifier}/runs")),
        *("--previous", expression("$analysis.state_uri")),
        *("--retrained", expression("$retraining.at")),
        *("--promoted", expression("$champion.recorded_at")),
        *("--shadow", context.uri(context.results, f"{captured(context.classifier)}/{shadow}")),
        *("--now", expression("$now()")),
        *("--classifier", context.classifier, "--endpoint", context.prefix),
        *("--target-error", str(context.settings.target_error)),
        *("--window-images", str(watched.window_images), "--window-hours", str(watched.window_hours)),
        *("--minimum-images", str(watched.minimum_images), "--late-hours", str(LATE_HOURS)),
        *("--enough-reviews", str(watched.enough_reviews)),
        *("--report", f"{OUTPUT}/report"),
    ]
    request = processing(
        context,
        "drift",
        arguments,
        [s3_input("code", context.code.s3_object_url, "code")],
        [s3_output("report", expression(context.report), "report")],
    )
    # It reads the log by itself, what is new of it alone, and an input of no objects would fail the job.
    request["NetworkConfig"] = {"EnableNetworkIsolation": False}
    request["Environment"] = {"AWS_DEFAULT_REGION": cdk.Aws.REGION}
    return make.job("Analyse", "createProcessingJob", request, timeout_minutes=JOB_MINUTES + STARTING_MINUTES)


def _read_analysis(make: Tasks, context: AnalysisContext) -> State:
    key = f"'analysis/{context.classifier}/' & {RUN} & '/analysis.json'"
    return make.aws(
        "ReadAnalysis",
        "s3:getObject",
        {"Bucket": context.results.bucket_name, "Key": expression(key)},
        resources=[context.results.arn_for_objects(f"analysis/{context.classifier}/*")],
        assign={"found": expression("$parse($states.result.Body)")},
    )


def _publish(make: Tasks, context: AnalysisContext) -> State:
    """Give CloudWatch the figures; a run that is repeated gives the same ones, and alarms look at the highest."""
    put = sfn.CustomState(
        make.scope,
        "PublishMetrics",
        state_json={
            "Type": "Task",
            "Resource": f"arn:{cdk.Aws.PARTITION}:states:::aws-sdk:cloudwatch:putMetricData",
            "Arguments": {"Namespace": NAMESPACE, "MetricData": expression("$found.metrics")},
            "TimeoutSeconds": 60,
        },
    )
    # CDK's construct for such calls takes no condition, and PutMetricData no resource.
    make.grant(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
        )
    )
    return make.finish(put, "cloudwatch")


def _commit(make: Tasks, context: AnalysisContext) -> State:
    """Record how far this run has read, unless another has meanwhile read the same."""

    def text(value: str) -> tasks.DynamoAttributeValue:
        return tasks.DynamoAttributeValue.from_string(value)

    superseded = sfn.Succeed.jsonata(
        make.scope,
        "Superseded",
        outputs={"status": "superseded", "reason": "Another run has read the same records meanwhile."},
    )
    put = tasks.DynamoPutItem.jsonata(
        make.scope,
        "CommitState",
        table=context.table,
        item={
            "id": text("analysis"),
            "run": text(expression(RUN)),
            "state_uri": text(expression(f"{context.report} & '/state.json'")),
            "report_uri": text(expression(f"{context.report} & '/report.html'")),
            "recorded_at": text(expression("$now()")),
        },
        condition_expression="attribute_not_exists(id) OR #run = :previous OR #run = :own",
        expression_attribute_names={"#run": "run"},
        expression_attribute_values={
            ":previous": text(expression("$analysis.run")),
            # A retry after an answer that was lost.
            ":own": text(expression(RUN)),
        },
        task_timeout=seconds(30),
    )
    return make.finish(put, "dynamodb", catch={COMMITTED_ALREADY: superseded})


def _end(
    make: Tasks, context: AnalysisContext, name: str, retraining: str, *, rollback: str = "not called for"
) -> sfn.Succeed:
    decided = "retrain" if rollback == "not called for" else "rollback"
    outputs = {
        "status": "analysed",
        "retraining": retraining,
        "rollback": rollback,
        "reason": expression(f"$found.{decided}.reason"),
        "windows": expression("[$found.windows]"),
        "shadow": expression("$found.shadow"),
        "report_uri": expression(f"{context.report} & '/report.html'"),
    }
    return sfn.Succeed.jsonata(make.scope, name, outputs=outputs)


def _start(make: Tasks, context: AnalysisContext, name: str, prefix: str, given: str) -> State:
    return make.aws(
        name,
        "sfn:startExecution",
        {
            "StateMachineArn": context.training_machine_arn,
            # The same name at every try: a start whose answer was lost starts nothing twice.
            "Name": expression(f"'{prefix}-' & {RUN}"),
            "Input": expression(f"$string({given})"),
        },
        resources=[context.training_machine_arn],
    )


def _back(make: Tasks, context: AnalysisContext, otherwise: sfn.IChainable) -> sfn.IChainable:
    """Go back to the champion before, where the new one's live traffic speaks against it."""
    if not context.settings.monitoring.roll_back:
        return otherwise
    said = "'LiveCheckError: ' & $found.rollback.reason"
    reject = make.aws(
        "RejectChampion",
        "sagemaker:updateModelPackage",
        {
            "ModelPackageArn": expression("$champion.model_package_arn"),
            "ModelApprovalStatus": "Rejected",
            "ApprovalDescription": expression(f"$substring({said}, 0, {DESCRIPTION_LIMIT})"),
        },
        resources=[context.arn("sagemaker", f"model-package/{context.prefix}/*")],
    )
    start = _start(
        make,
        context,
        "StartRollback",
        "rollback",
        "{'start': 'rollback', 'package': $champion.previous_package_arn, 'reason': 'live-check', "
        "'why': $found.rollback.reason}",
    )
    choice = sfn.Choice.jsonata(make.scope, "RollbackWanted")
    choice.when(
        sfn.Condition.jsonata(
            expression(f"$found.rollback.wanted = true and $champion.previous_package_arn != '{NOTHING}'")
        ),
        sfn.Chain.start(reject)
        .next(start)
        .next(_end(make, context, "RollbackStarted", "not called for", rollback="started")),
    ).otherwise(otherwise)
    return choice


def _wanted(make: Tasks, context: AnalysisContext) -> sfn.IChainable:
    """Train anew where the analysis says so, the settings allow it and the last such training is long past."""

    def end(name: str, retraining: str) -> sfn.Succeed:
        return _end(make, context, name, retraining)

    watched = context.settings.monitoring
    if not watched.retrain:
        return end("Analysed", "switched off by the settings")
    hours = watched.cooldown_hours
    take = tasks.DynamoPutItem.jsonata(
        make.scope,
        "TakeCooldown",
        table=context.table,
        item={
            "id": tasks.DynamoAttributeValue.from_string("retraining"),
            "at": tasks.DynamoAttributeValue.from_string(expression("$now()")),
            "run": tasks.DynamoAttributeValue.from_string(expression(RUN)),
            "reason": tasks.DynamoAttributeValue.from_string(expression("$found.retrain.reason")),
        },
        condition_expression="attribute_not_exists(id) OR #at < :limit OR #run = :own",
        expression_attribute_names={"#at": "at", "#run": "run"},
        expression_attribute_values={
            ":limit": tasks.DynamoAttributeValue.from_string(
                expression(f"$fromMillis($toMillis($now()) - {hours * 3_600_000})")
            ),
            ":own": tasks.DynamoAttributeValue.from_string(expression(RUN)),
        },
        task_timeout=seconds(30),
    )
    make.finish(
        take, "dynamodb", catch={COMMITTED_ALREADY: end("CoolingDown", "too soon after the last one")}
    )
    start = _start(
        make,
        context,
        "StartRetraining",
        "retrain",
        "{'start': 'stage', 'reason': $found.retrain.trigger, 'why': $found.retrain.reason}",
    )
    choice = sfn.Choice.jsonata(make.scope, "RetrainingWanted")
    choice.when(
        sfn.Condition.jsonata(expression("$found.retrain.wanted = true")),
        sfn.Chain.start(take).next(start).next(end("RetrainingStarted", "started")),
    ).otherwise(end("Analysed", "not called for"))
    return choice
