"""Send the untouched test split through the serving container, and judge the model by the answers."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn

from stacks.instances import JOB_INSTANCE
from stacks.settings.training import STARTING_MINUTES
from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.dataset import INPUT, JOB_MINUTES, OUTPUT, processing, s3_input, s3_output
from stacks.workflow.tasks import State, Tasks

TRANSFORM_MINUTES = 30


def _transform(make: Tasks, context: Context, name: str, step: str, model: str, folder: str) -> State:
    request = {
        "TransformJobName": context.name(step),
        "ModelName": expression(model),
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 8,
        "MaxPayloadInMB": 6,
        "ModelClientConfig": {"InvocationsMaxRetries": 3, "InvocationsTimeoutInSeconds": 60},
        "TransformInput": {
            "ContentType": "application/octet-stream",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": context.dataset_uri("$version & '/test/'"),
                }
            },
        },
        "TransformOutput": {
            "S3OutputPath": context.run_uri(folder),
            "Accept": "application/json",
            "KmsKeyId": context.key.key_arn,
        },
        "TransformResources": {"InstanceCount": 1, "InstanceType": JOB_INSTANCE},
        "Tags": context.tags,
    }
    minutes = TRANSFORM_MINUTES + STARTING_MINUTES
    return make.job(name, "createTransformJob", request, timeout_minutes=minutes)


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
        s3_input("train", context.dataset_uri("$version & '/train/'"), "train"),
        s3_input("validation", context.dataset_uri("$version & '/validation/'"), "validation"),
        s3_input("manifest", context.dataset_uri("$version & '/manifest.json'"), "manifest"),
    ]
    words = [
        *("evaluate.py", "--outputs", f"{INPUT}/outputs"),
        *("--model", f"{INPUT}/model/model.tar.gz", "--test", f"{INPUT}/test"),
        *("--train", f"{INPUT}/train", "--validation", f"{INPUT}/validation"),
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
    read.next(gate)
    has_champion = sfn.Choice.jsonata(make.scope, "HasChampion")
    has_champion.when(
        sfn.Condition.jsonata(expression("$champion.run != ''")),
        sfn.Chain.start(champion).next(against).next(read),
    ).otherwise(sfn.Chain.start(alone).next(read))
    return sfn.Chain.start(candidate).next(has_champion)
