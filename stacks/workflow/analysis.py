"""Look at the prediction log, tell CloudWatch, and train anew where that is called for."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import SHADOW_VARIANT
from stacks.settings.training import STARTING_MINUTES
from stacks.workflow.analysis_context import COMMITTED_ALREADY, NOTHING, AnalysisContext
from stacks.workflow.context import RUN, expression
from stacks.workflow.dataset import JOB_MINUTES, OUTPUT, processing, s3_input, s3_output
from stacks.workflow.items import put, texts
from stacks.workflow.reaction import back, wanted
from stacks.workflow.shadow import captured
from stacks.workflow.tasks import State, Tasks
from training.analysis.metrics import ALARMED

NAMESPACE = "Scones/Monitoring"
PUBLISHED = (*ALARMED, "AbstainRate", "RejectedRate", "RoutedAccuracy", "NewReviews")
"""Of the metrics that the analysis publishes, those that somebody here looks at."""
LATE_HOURS = 72
"""Files that Firehose delivers later than this are not read; it retries a delivery for 24 hours."""
_RETRAINED = (
    f"$champion.trained_at != '{NOTHING}' and ($trained.at = '{NOTHING}' or $trained.at < $champion.trained_at) "
    "? $champion.trained_at : $trained.at"
)
"""When the last training began that came to its end: with a champion, or without."""


def analyse(make: Tasks, context: AnalysisContext) -> sfn.IChainable:
    """Read what is new, judge it, publish the figures, remember how far it went, and retrain if need be."""
    steps = (
        _read_state,
        _read_retraining,
        _read_paused,
        _read_trained,
        _read_champion,
        _job,
        _read_analysis,
        _publish,
        _commit,
    )
    chain = sfn.Chain.start(_begin(make))
    for step in steps:
        chain = chain.next(step(make, context))
    return chain.next(back(make, context, wanted(make, context)))


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
    fields = ("at", "run", "trigger", "reason", "started_at", "tries")
    return _read_item(make, context, "ReadRetraining", "retraining", fields)


def _read_paused(make: Tasks, context: AnalysisContext) -> State:
    return _read_item(make, context, "ReadPaused", "paused", ("paused_at",))


def _read_trained(make: Tasks, context: AnalysisContext) -> State:
    return _read_item(make, context, "ReadTrained", "trained", ("at",))


def _read_champion(make: Tasks, context: AnalysisContext) -> State:
    fields = (
        "run",
        "reason",
        "recorded_at",
        "model_package_arn",
        "previous_package_arn",
        "previous_run",
        "trained_at",
    )
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
        *("--retrained", expression(_RETRAINED)),
        *("--champion", expression("$champion.run")),
        *("--promoted", expression("$champion.recorded_at")),
        *("--predecessor", expression("$champion.previous_run")),
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
    superseded = sfn.Succeed.jsonata(
        make.scope,
        "Superseded",
        outputs={"status": "superseded", "reason": "Another run has read the same records meanwhile."},
    )
    item = {
        "id": "analysis",
        "run": expression(RUN),
        "state_uri": expression(f"{context.report} & '/state.json'"),
        "report_uri": expression(f"{context.report} & '/report.html'"),
        "recorded_at": expression("$now()"),
    }
    # Its own run: a retry after an answer that was lost.
    when = "attribute_not_exists(id) OR #run = :previous OR #run = :own"
    values = {":previous": expression("$analysis.run"), ":own": expression(RUN)}
    task = put(
        make.scope, "CommitState", context.table, texts(item), condition=(when, {"#run": "run"}, values)
    )
    return make.finish(task, "dynamodb", catch={COMMITTED_ALREADY: superseded})
