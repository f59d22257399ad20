"""Register the accepted model, and describe the endpoint that is to serve it."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_iam as iam

from lambda_src.naming import VARIANT
from stacks import images
from stacks.archives import SERVING_VARIABLES
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.tasks import State, Tasks


def register(make: Tasks, context: Context) -> State:
    """Add a version to the model package group, with where everything came from."""
    return make.aws(
        "Register",
        "sagemaker:createModelPackage",
        {
            "ModelPackageGroupName": context.prefix,
            "ModelPackageDescription": expression(f"'Run ' & {RUN} & ' on dataset ' & $version"),
            # Good is what has served: a run that is ended in its rollout leaves nothing that a rollback comes to.
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": images.uri(context.code, images.RAY[context.settings.serving.gpu]),
                        "ModelDataUrl": expression("$archive"),
                        "Environment": SERVING_VARIABLES,
                    }
                ],
                "SupportedContentTypes": ["application/octet-stream", "application/x-tar"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {"ContentType": "application/json", "S3Uri": expression("$evaluation")}
                }
            },
            "DriftCheckBaselines": {
                "ModelDataQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": context.run_uri("evaluation/baseline.json"),
                    }
                }
            },
            "CustomerMetadataProperties": {
                "run": expression(RUN),
                "dataset_version": expression("$version"),
                "accuracy": expression("$string($gate.accuracy)"),
                "model_card": context.run_uri("evaluation/model_card.md"),
                "training_artifact": expression("$trainingArtifact"),
                "training_fingerprint": expression("$trainingFingerprint"),
                "serving_fingerprint": expression("$servingFingerprint"),
            },
        },
        resources=[
            context.arn("sagemaker", f"model-package-group/{context.prefix}"),
            context.packages_arn,
        ],
        assign={"package": expression("$states.result.ModelPackageArn")},
    )


def variant(context: Context, name: str, model: str, *, count: int, weight: float = 1) -> dict[str, Any]:
    """Describe what one variant of the endpoint is to run on; `model` is JSONata."""
    serving = context.settings.serving
    described: dict[str, Any] = {
        "VariantName": name,
        "ModelName": expression(model),
        "InstanceType": serving.instance_type,
        "InitialInstanceCount": count,
        "InitialVariantWeight": weight,
    }
    if serving.gpu:
        described["InferenceAmiVersion"] = images.GPU_INFERENCE_AMI
    return described


def endpoint_config(make: Tasks, context: Context) -> State:
    """Describe what the endpoint is to run on."""
    own = variant(context, VARIANT, "$model", count=context.settings.serving.instance_count)
    return make.aws(
        "CreateEndpointConfig",
        "sagemaker:createEndpointConfig",
        {"EndpointConfigName": expression("$model"), "ProductionVariants": [own], "Tags": context.tags},
        resources=[context.arn("sagemaker", f"endpoint-config/{context.prefix}-*")],
        also=[
            iam.PolicyStatement(
                actions=["sagemaker:AddTags"],
                resources=[
                    context.arn("sagemaker", named)
                    for named in (
                        f"endpoint/{context.prefix}",
                        f"endpoint-config/{context.prefix}-*",
                        f"model/{context.prefix}-*",
                    )
                ],
            )
        ],
    )
