"""Send the untouched test split through the serving container, and judge the model by the answers."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks.instances import JOB_INSTANCE
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.dataset import INPUT, JOB_MINUTES, OUTPUT, processing, s3_input, s3_output
from stacks.workflow.tasks import STARTING_MINUTES, State, Tasks, seconds

TRANSFORM_MINUTES = 30


def _transform(make: Tasks, context: Context, name: str, step: str, model: str, folder: str) -> State:
    task = tasks.SageMakerCreateTransformJob.jsonata(
        make.scope,
        name,
        transform_job_name=context.name(step),
        model_name=expression(model),
        integration_pattern=sfn.IntegrationPattern.RUN_JOB,
        # The job runs under the model's role; without one here CDK makes another, with full access.
        role=context.endpoint_role,
        batch_strategy=tasks.BatchStrategy.SINGLE_RECORD,
        max_concurrent_transforms=8,
        max_payload=cdk.Size.mebibytes(6),
        model_client_options=tasks.ModelClientOptions(
            invocations_max_retries=3, invocations_timeout=cdk.Duration.seconds(60)
        ),
        transform_input=tasks.TransformInput(
            content_type="application/octet-stream",
            transform_data_source=tasks.TransformDataSource(
                s3_data_source=tasks.TransformS3DataSource(
                    s3_uri=context.dataset_uri("$version & '/test/'"),
                    s3_data_type=tasks.S3DataType.S3_PREFIX,
                )
            ),
        ),
        transform_output=tasks.TransformOutput(
            s3_output_path=context.run_uri(folder), accept="application/json", encryption_key=context.key
        ),
        transform_resources=tasks.TransformResources(
            instance_count=1, instance_type=ec2.InstanceType(JOB_INSTANCE.removeprefix("ml."))
        ),
        tags={tag["Key"]: tag["Value"] for tag in context.tags},
        task_timeout=seconds((TRANSFORM_MINUTES + STARTING_MINUTES) * 60),
    )
    return make.finish(task, "sagemaker")


def judge(
    make: Tasks, context: Context, accepted: sfn.IChainable, rejected: sfn.IChainable
) -> sfn.IChainable:
    """Transform the test split with the new model, and with the champion if there is one; then decide."""
    candidate = _transform(make, context, "TransformCandidate", "xform", "$evaluationModel", "transform")
    champion = _transform(
        make, context, "TransformChampion", "champ", "$champion.evaluation_model", "champion-transform"
    )
    bucket = context.models.bucket_name
    inputs = [
        s3_input("code", context.code.s3_object_url, "code"),
        s3_input("outputs", context.run_uri("transform/"), "outputs"),
        s3_input("model", expression("$archive"), "model"),
        s3_input("test", context.dataset_uri("$version & '/test/'"), "test"),
        s3_input("manifest", context.dataset_uri("$version & '/manifest.json'"), "manifest"),
    ]
    words = [
        *("evaluate.py", "--outputs", f"{INPUT}/outputs"),
        *("--model", f"{INPUT}/model/model.tar.gz", "--test", f"{INPUT}/test"),
        *("--manifest", f"{INPUT}/manifest/manifest.json"),
        *("--minimum-accuracy", str(context.settings.gate.minimum_accuracy)),
        *("--code-version", context.code.asset_hash),
        *("--report", f"{OUTPUT}/report"),
    ]
    compared = s3_input("champion", context.run_uri("champion-transform/"), "champion")

    def evaluating(name: str, arguments: list[str], channels: list[dict[str, object]]) -> State:
        request = processing(
            context,
            "eval",
            arguments,
            channels,
            [s3_output("report", context.run_uri("evaluation"), "report")],
        )
        request["NetworkConfig"] = {"EnableNetworkIsolation": True}
        return make.job(name, "createProcessingJob", request, timeout_minutes=JOB_MINUTES + STARTING_MINUTES)

    alone = evaluating("Evaluate", words, inputs)
    against = evaluating(
        "EvaluateAgainstChampion", [*words, "--champion", f"{INPUT}/champion"], [*inputs, compared]
    )
    read = make.aws(
        "ReadGate",
        "s3:getObject",
        {
            "Bucket": bucket,
            "Key": expression(f"'{context.classifier}/runs/' & {RUN} & '/evaluation/gate.json'"),
        },
        resources=[context.models.arn_for_objects(f"{context.classifier}/*")],
        assign={
            "gate": expression("$parse($states.result.Body)"),
            "evaluation": context.run_uri("evaluation/evaluation.json"),
        },
    )
    gate = sfn.Choice.jsonata(make.scope, "Gate")
    gate.when(sfn.Condition.jsonata(expression("$gate.accepted = true")), accepted).otherwise(rejected)
    has_champion = sfn.Choice.jsonata(make.scope, "HasChampion")
    has_champion.when(
        sfn.Condition.jsonata(expression("$champion.run != ''")),
        sfn.Chain.start(champion).next(against).next(read),
    ).otherwise(sfn.Chain.start(alone).next(read))
    sfn.Chain.start(read).next(gate)
    return sfn.Chain.start(candidate).next(has_champion)
