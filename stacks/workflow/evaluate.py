"""Package the model, send the untouched test split through its container, and judge it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks import images
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.dataset import INPUT, OUTPUT, processing, s3_input, s3_output
from stacks.workflow.tasks import State, Tasks, seconds

TRANSFORM_MINUTES = 30
SERVING_VARIABLES = {
    # The application answers health itself; Ray's own says yes while the model still loads.
    "RAYSERVE_BACKEND_URL": "http://127.0.0.1:8000/classifier",
    "RAYSERVE_BACKEND_TIMEOUT": "60",
}


def package(make: Tasks, context: Context) -> sfn.Chain:
    """Build the serving archive and make it a model."""
    build = tasks.LambdaInvoke.jsonata(
        make.scope,
        "Package",
        lambda_function=context.package_model,
        payload=sfn.TaskInput.from_object(
            {"training_artifact": expression("$trainingArtifact"), "run": expression(RUN)}
        ),
        payload_response_only=True,
        retry_on_service_exceptions=False,
        assign={"archive": expression("$states.result.archive_uri")},
        task_timeout=seconds(300),
    )
    make.finish(build, "lambda")
    create = tasks.SageMakerCreateModel.jsonata(
        make.scope,
        "CreateModel",
        model_name=expression(f"'{context.prefix}-' & {RUN}"),
        # CDK would let this role read every bucket, because it cannot know what the expression names.
        role=context.endpoint_role.without_policy_updates(),
        primary_container=tasks.ContainerDefinition(
            image=tasks.DockerImage.from_registry(
                images.uri(context.code, images.RAY[context.settings.serving.gpu])
            ),
            mode=tasks.Mode.SINGLE_MODEL,
            model_s3_location=tasks.S3Location.from_json_expression(expression("$archive")),
            environment_variables=sfn.TaskInput.from_object(SERVING_VARIABLES),
        ),
        enable_network_isolation=True,
        tags=context.tags_input,
        assign={"model": expression(f"'{context.prefix}-' & {RUN}")},
        task_timeout=seconds(60),
    )
    make.finish(create, "sagemaker")
    return sfn.Chain.start(build).next(create)


def _transform(make: Tasks, context: Context, name: str, step: str, model: str, folder: str) -> State:
    task = tasks.SageMakerCreateTransformJob.jsonata(
        make.scope,
        name,
        transform_job_name=context.name(step),
        model_name=expression(model),
        # A transform runs under its model's role; without this, CDK makes one with full access to SageMaker.
        role=context.endpoint_role.without_policy_updates(),
        integration_pattern=sfn.IntegrationPattern.RUN_JOB,
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
            s3_output_path=context.run_uri(folder), accept="application/json"
        ),
        transform_resources=tasks.TransformResources(
            instance_count=1, instance_type=ec2.InstanceType("m5.xlarge")
        ),
        tags={tag["Key"]: tag["Value"] for tag in context.tags},
        task_timeout=seconds(TRANSFORM_MINUTES * 60),
    )
    return make.finish(task, "sagemaker")


def judge(
    make: Tasks, context: Context, accepted: sfn.IChainable, rejected: sfn.IChainable
) -> sfn.IChainable:
    """Transform the test split with the new model, and with the champion if there is one; then decide."""
    candidate = _transform(make, context, "TransformCandidate", "xform", "$model", "transform")
    champion = _transform(
        make, context, "TransformChampion", "champ", "$champion.model_name", "champion-transform"
    )
    bucket = context.models.bucket_name
    inputs = [
        s3_input("code", context.code.s3_object_url, "code"),
        s3_input("outputs", context.run_uri("transform/"), "outputs"),
    ]
    words = [
        *("evaluate.py", "--outputs", f"{INPUT}/outputs"),
        *("--minimum-accuracy", str(context.settings.gate.minimum_accuracy)),
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
        return make.job(name, "createProcessingJob", request, timeout_minutes=30)

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
