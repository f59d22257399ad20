"""Fields that Step Functions' optimized integrations are known to take: others are refused when a machine is made.

"The field … is not supported by Step Functions" comes for what an integration has not been taught, whatever the service
itself takes. AWS lists the fields no longer. Until 2023 its developer guide did (doc_source/connect-*.md of
awsdocs/aws-step-functions-developer-guide); since then there is what CDK's own constructs write, and what AWS's people
said. A field that is not here may well be taken: whoever finds out adds it with where that stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.checks.services import Integration

_EXPRESSIONS = ("ExpressionAttributeNames", "ExpressionAttributeValues")
_CONDITIONAL = ("ConditionalOperator", "ConditionExpression", "Expected", *_EXPRESSIONS)
_RETURNING = ("ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ReturnValues")
_STATE_MACHINE = ("Input", "Name", "StateMachineArn")
FIELDS: Mapping[str, frozenset[str]] = {
    name: frozenset(fields)
    for name, fields in {
        # The developer guide of 2023.
        "dynamodb:getItem": (
            *("AttributesToGet", "ConsistentRead", "ExpressionAttributeNames", "Key", "ProjectionExpression"),
            *("ReturnConsumedCapacity", "TableName"),
        ),
        "dynamodb:putItem": ("Item", "TableName", *_CONDITIONAL, *_RETURNING),
        "dynamodb:deleteItem": ("Key", "TableName", *_CONDITIONAL, *_RETURNING),
        "dynamodb:updateItem": (
            *("AttributeUpdates", "Key", "TableName", "UpdateExpression"),
            *(*_CONDITIONAL, *_RETURNING),
        ),
        "sns:publish": (
            *("Message", "MessageAttributes", "MessageStructure", "PhoneNumber", "Subject", "TargetArn"),
            "TopicArn",
        ),
        "sqs:sendMessage": (
            *("DelaySeconds", "MessageAttributes", "MessageBody", "MessageDeduplicationId", "MessageGroupId"),
            "QueueUrl",
        ),
        "states:startExecution": _STATE_MACHINE,
        # All eleven that the operation has.
        "sagemaker:createProcessingJob": (
            *("AppSpecification", "Environment", "ExperimentConfig", "NetworkConfig", "ProcessingInputs"),
            *("ProcessingJobName", "ProcessingOutputConfig", "ProcessingResources", "RoleArn"),
            *("StoppingCondition", "Tags"),
        ),
        "sagemaker:createTrainingJob": (
            *("AlgorithmSpecification", "HyperParameters", "InputDataConfig", "OutputDataConfig"),
            *("ResourceConfig", "RoleArn", "StoppingCondition", "Tags", "TrainingJobName", "VpcConfig"),
            # CDK's SageMakerCreateTrainingJob.
            *("EnableNetworkIsolation", "Environment"),
            # https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/42
            "EnableManagedSpotTraining",
            # https://github.com/aws/sagemaker-python-sdk/issues/2416, for state machines of that SDK.
            "CheckpointConfig",
            # No source: where several instances share a job, to train unencrypted would be worse than to be refused.
            "EnableInterContainerTrafficEncryption",
        ),
        "sagemaker:createTransformJob": (
            *(
                "BatchStrategy",
                "Environment",
                "MaxConcurrentTransforms",
                "MaxPayloadInMB",
                "ModelName",
                "Tags",
            ),
            *("TransformInput", "TransformJobName", "TransformOutput", "TransformResources"),
            # CDK's SageMakerCreateTransformJob.
            "ModelClientConfig",
        ),
        "sagemaker:createHyperParameterTuningJob": (
            *("HyperParameterTuningJobConfig", "HyperParameterTuningJobName", "Tags"),
            *("TrainingJobDefinition", "WarmStartConfig"),
        ),
    }.items()
}


def unknown(called: Integration, arguments: Any) -> Iterator[str]:
    """Say which of a Task's arguments its optimized integration is not known to take."""
    name = f"{called.service}:{called.action}"
    if called.through_sdk or called.function or not isinstance(arguments, Mapping):
        return
    # A list that nobody wrote down yet lets everything pass: `arguments` asks the service's own model.
    for field in sorted(set(arguments) - FIELDS.get(name, set(arguments))):
        yield f"the optimized integration {name} is not known to take {field}: call it through the SDK, or leave it out"
