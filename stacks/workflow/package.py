"""Package a trained model and make it one that SageMaker can serve, and evaluate."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from stacks import images
from stacks.archives import SERVING_VARIABLES
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.tasks import State, Tasks, seconds


def package(make: Tasks, context: Context) -> sfn.Chain:
    """Build the serving archive and make it a model, and one on CPUs to evaluate where serving has GPUs."""
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
    return sfn.Chain.start(build).next(create_models(make, context, "Create"))


def create_models(make: Tasks, context: Context, verb: str) -> sfn.Chain:
    """Make the archive a model, and one on CPUs to evaluate where serving has GPUs."""
    name = f"'{context.prefix}-' & {RUN}"
    gpu = context.settings.serving.gpu
    chain = sfn.Chain.start(
        _create(
            *(make, context, f"{verb}Model", name), gpu=gpu, variables=("model", "config", "evaluationModel")
        )
    )
    if gpu:
        # Transform jobs have no driver for the GPU image, so the same archive is evaluated in the CPU image.
        chain = chain.next(
            _create(
                make,
                context,
                f"{verb}EvaluationModel",
                f"{name} & '-cpu'",
                gpu=False,
                variables=("evaluationModel",),
            )
        )
    return chain


def _create(
    make: Tasks, context: Context, state: str, name: str, *, gpu: bool, variables: tuple[str, ...]
) -> State:
    return make.aws(
        state,
        "sagemaker:createModel",
        {
            "ModelName": expression(name),
            "ExecutionRoleArn": context.endpoint_role.role_arn,
            "PrimaryContainer": {
                "Image": images.uri(context.code, images.RAY[gpu]),
                "Mode": "SingleModel",
                "ModelDataUrl": expression("$archive"),
                "Environment": SERVING_VARIABLES,
            },
            "EnableNetworkIsolation": True,
            "Tags": context.tags,
        },
        resources=[context.arn("sagemaker", f"model/{context.prefix}-*")],
        assign={variable: expression(name) for variable in variables},
    )
