"""A challenger in shadow: it sees copies of the champion's requests, and nobody is routed by its answers."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import SHADOW_CONFIG, SHADOW_VARIANT, VARIANT
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.register import variant
from stacks.workflow.registry import judge
from stacks.workflow.tasks import State, Tasks

ALONE = "$config = $model"
"""What a rollout is of: the model alone, or the champion with the model in its shadow."""


def begin(context: Context) -> dict[str, Any]:
    """Return the variable that says whether a run's model goes into the shadow: as its input or the settings say."""
    usual = "true" if context.settings.serving.shadow else "false"
    return {"shadow": expression(f"$exists($states.input.shadow) ? $states.input.shadow : {usual}")}


def route(make: Tasks, context: Context, guard: sfn.IChainable, alone: sfn.IChainable) -> sfn.IChainable:
    """Describe the endpoint with the model in the champion's shadow where that is wanted, and there is a champion."""
    choice = sfn.Choice.jsonata(make.scope, "IntoShadow")
    choice.when(
        sfn.Condition.jsonata(expression("$shadow = true and $champion.run != ''")),
        _config(make, context).next(guard),
    ).otherwise(alone)
    return choice


def _config(make: Tasks, context: Context) -> State:
    name = f"'{context.prefix}-' & {RUN} & '{SHADOW_CONFIG}'"
    serving = context.settings.serving
    return make.aws(
        "CreateShadowConfig",
        "sagemaker:createEndpointConfig",
        {
            "EndpointConfigName": expression(name),
            "ProductionVariants": [
                variant(context, VARIANT, "$champion.model_name", count=serving.instance_count)
            ],
            # By its weight one instance gets as many requests as each of the champion's.
            "ShadowProductionVariants": [
                variant(context, SHADOW_VARIANT, "$model", count=1, weight=1 / serving.instance_count)
            ],
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"s3://{context.results.bucket_name}/{captured(context.classifier)}",
                # The pictures are in the inbound bucket already.
                "CaptureOptions": [{"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            },
            "Tags": context.tags,
        },
        resources=[context.arn("sagemaker", f"endpoint-config/{context.prefix}-*")],
        assign={"config": expression(name)},
    )


def captured(classifier: str) -> str:
    """Return where SageMaker writes what both variants answer, in the results bucket."""
    return f"shadow/{classifier}"


def stay(make: Tasks, context: Context) -> State:
    """Make a state that says in the registry that the version waits in the shadow."""
    said = "'In the shadow of ' & $champion.run & ' since ' & $now() & ': `scones promote` makes it the champion.'"
    return judge(make, context, "SayInShadow", "PendingManualApproval", said, assign={"status": "shadowing"})
