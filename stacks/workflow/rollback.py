"""Take a registered version as the model to roll out: what trained it, packaged it and evaluated it is done."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn

from stacks.workflow.context import Context, expression
from stacks.workflow.deploy import Rollout
from stacks.workflow.package import create_models
from stacks.workflow.tasks import State, Tasks


def rollback(make: Tasks, context: Context, rollout: Rollout) -> sfn.IChainable:
    """Read the version's package, make its model anew if it is gone and its configuration as settings are now."""
    find_model = _find(make, "FindModel", "listModels", "model", "Models.ModelName")
    find_config = _find(
        make,
        "FindEndpointConfig",
        "listEndpointConfigs",
        "config",
        "EndpointConfigs.EndpointConfigName",
    )
    remove = make.aws(
        "RemoveEndpointConfig",
        "sagemaker:deleteEndpointConfig",
        {"EndpointConfigName": expression("$model")},
        resources=[context.arn("sagemaker", f"endpoint-config/{context.prefix}-*")],
    )
    configured = sfn.Choice.jsonata(make.scope, "EndpointConfigThere")
    # What the champion's endpoint is made of must stay as long as it serves.
    serves = "$model = $champion.endpoint_config_name"
    configured.when(sfn.Condition.jsonata(expression(f"$configFound = true and {serves}")), rollout.guard)
    # It is of the settings of its day: another number of instances, for which today's canary may be too large.
    configured.when(_there("config"), remove.next(rollout.configure)).otherwise(rollout.configure)
    find_config.next(configured)
    model = sfn.Choice.jsonata(make.scope, "ModelThere")
    model.when(_there("model"), find_config).otherwise(
        create_models(make, context, "Recreate").next(find_config)
    )
    find_model.next(model)
    return _describe(make, context).next(find_model)


def _describe(make: Tasks, context: Context) -> State:
    """Make a state that reads of a package what a run would have made."""

    def said(name: str) -> str:
        # Packages of earlier releases of this workflow say less.
        field = f"$states.result.CustomerMetadataProperties.{name}"
        return expression(f"$exists({field}) ? {field} : ''")

    accuracy = "$states.result.CustomerMetadataProperties.accuracy"
    name = f"'{context.prefix}-' & $states.result.CustomerMetadataProperties.run"
    end = " & '-cpu'" if context.settings.serving.gpu else ""
    return make.aws(
        "DescribePackage",
        "sagemaker:describeModelPackage",
        {"ModelPackageName": expression("$package")},
        resources=[context.packages_arn],
        assign={
            "run": said("run"),
            "version": said("dataset_version"),
            "trainingArtifact": said("training_artifact"),
            "trainingFingerprint": said("training_fingerprint"),
            "servingFingerprint": said("serving_fingerprint"),
            "archive": expression("$states.result.InferenceSpecification.Containers[0].ModelDataUrl"),
            "evaluation": expression("$states.result.ModelMetrics.ModelQuality.Statistics.S3Uri"),
            "model": expression(name),
            "config": expression(name),
            "evaluationModel": expression(f"{name}{end}"),
            "gate": {
                "accuracy": expression(f"$exists({accuracy}) ? $number({accuracy}) : 0"),
                "reason": expression(
                    "($reason = 'promote' ? 'Promoted' : 'Rolled back to') & ' version ' & "
                    "$string($states.result.ModelPackageVersion) & '.'"
                ),
            },
        },
    )


def _find(make: Tasks, state: str, operation: str, variable: str, names: str) -> State:
    return make.aws(
        state,
        f"sagemaker:{operation}",
        {"NameContains": expression("$model"), "MaxResults": 100},
        resources=["*"],  # lists have no resource
        assign={f"{variable}Found": expression(f"$model in $states.result.{names}")},
    )


def _there(variable: str) -> sfn.Condition:
    return sfn.Condition.jsonata(expression(f"${variable}Found = true"))
