"""What SageMaker refuses though its model allows it, and what only this SageMaker cannot do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from localcloud.sagemaker.errors import ValidationError

LOCAL_STORAGE = re.compile(r"ml\.(g4dn|g5|g6|g6e|gr6|p3dn|p4de?|p5\w*|trn\w+|i\d\w*|[cmr]\d\w*d)\.")
"""Instance types with local NVMe, encrypted by the instance itself."""
PROCESSING = "/opt/ml/processing/"
TRANSFORM_MEGABYTES = 100
"""What all payloads of a transform job's instance may weigh together."""


def training(request: dict[str, Any]) -> None:
    """Check a training job.

    Raises
    ------
    ValidationError
    """
    _volume(request["ResourceConfig"], "VolumeKmsKeyId")
    condition = request["StoppingCondition"]
    longest, waited = condition.get("MaxRuntimeInSeconds", 86400), condition.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if waited is None or waited < longest:
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds when EnableManagedSpotTraining is true"
            )
    elif waited is not None:
        raise ValidationError("MaxWaitTimeInSeconds is only valid when EnableManagedSpotTraining is true")
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(channels)) < len(channels):
        raise ValidationError("Channel names must be unique within InputDataConfig.")
    _prefixes(channel["DataSource"] for channel in request.get("InputDataConfig", []))


def tuning(request: dict[str, Any]) -> None:
    """Check a tuning job, and the training jobs that it will start.

    Raises
    ------
    ValidationError
    """
    config, definition = request["HyperParameterTuningJobConfig"], request.get("TrainingJobDefinition")
    if definition is None or request.get("TrainingJobDefinitions"):
        raise ValidationError("The local SageMaker searches with one definition: give TrainingJobDefinition.")
    training(definition)
    if config["Strategy"] not in ("Random", "Bayesian"):
        raise ValidationError("The local SageMaker draws its trials at random: give the Strategy Random.")
    objective = config.get("HyperParameterTuningJobObjective", {}).get("MetricName")
    known = [each["Name"] for each in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if objective not in known:
        raise ValidationError(
            f"The objective metric [{objective}] is not among the MetricDefinitions: {known}"
        )
    limits = config["ResourceLimits"]
    if limits["MaxParallelTrainingJobs"] > limits.get("MaxNumberOfTrainingJobs", 1):
        raise ValidationError("MaxParallelTrainingJobs cannot be larger than MaxNumberOfTrainingJobs")
    ranges = [each for some in config.get("ParameterRanges", {}).values() for each in some]
    names = [each["Name"] for each in ranges]
    both = sorted(set(names) & set(definition.get("StaticHyperParameters", {})))
    if both or len(set(names)) < len(names):
        raise ValidationError(f"A hyperparameter is given twice: {', '.join(both or sorted(names))}")
    for each in ranges:
        if "MinValue" in each and float(each["MinValue"]) >= float(each["MaxValue"]):
            raise ValidationError(f"The range of {each['Name']} is empty: MinValue must be below MaxValue")


def processing(request: dict[str, Any]) -> None:
    """Check a processing job.

    Raises
    ------
    ValidationError
    """
    _volume(request["ProcessingResources"]["ClusterConfig"], "VolumeKmsKeyId")
    named = [
        *(each["InputName"] for each in request.get("ProcessingInputs", [])),
        *(each["OutputName"] for each in request.get("ProcessingOutputConfig", {}).get("Outputs", [])),
    ]
    if len(set(named)) < len(named):
        raise ValidationError("Names of inputs and outputs must be unique within a processing job.")
    for each in (
        *(each.get("S3Input", {}) for each in request.get("ProcessingInputs", [])),
        *(each.get("S3Output", {}) for each in request.get("ProcessingOutputConfig", {}).get("Outputs", [])),
    ):
        if not str(each.get("LocalPath", PROCESSING)).startswith(PROCESSING):
            raise ValidationError(f"LocalPath {each['LocalPath']} must start with {PROCESSING}")
    for each in request.get("ProcessingInputs", []):
        if "S3Input" not in each:
            raise ValidationError(f"The local SageMaker reads S3 only: give S3Input to {each['InputName']}.")
        if each["S3Input"].get("S3DataType", "S3Prefix") != "S3Prefix":
            raise ValidationError("The local SageMaker reads prefixes only: give S3DataType S3Prefix.")


def transform(request: dict[str, Any]) -> None:
    """Check a transform job.

    Raises
    ------
    ValidationError
    """
    _volume(request["TransformResources"], "VolumeKmsKeyId")
    at_once, megabytes = request.get("MaxConcurrentTransforms", 1), request.get("MaxPayloadInMB", 6)
    if at_once * megabytes > TRANSFORM_MEGABYTES:
        raise ValidationError(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {TRANSFORM_MEGABYTES} MB"
        )
    _prefixes([request["TransformInput"]["DataSource"]])
    if request["TransformInput"].get("SplitType", "None") != "None":
        raise ValidationError("The local SageMaker sends whole objects: give SplitType None.")


def endpoint_config(request: dict[str, Any]) -> None:
    """Check an endpoint configuration.

    Raises
    ------
    ValidationError
    """
    production, shadows = request["ProductionVariants"], request.get("ShadowProductionVariants", [])
    names = [variant["VariantName"] for variant in (*production, *shadows)]
    if len(set(names)) < len(names):
        raise ValidationError("Variant names must be unique within an endpoint configuration.")
    if shadows and (len(shadows) > 1 or len(production) > 1):
        raise ValidationError(
            "An endpoint configuration with ShadowProductionVariants takes one shadow variant and one production "
            f"variant; this one has {len(shadows)} and {len(production)}."
        )
    if request.get("DataCaptureConfig", {}).get("DestinationS3Uri", "").startswith("https:"):
        raise ValidationError("The local SageMaker captures data to S3 URIs: give DestinationS3Uri as s3://.")
    for variant in (*production, *shadows):
        if "ModelName" not in variant:
            raise ValidationError("The local SageMaker serves variants that name a model: give ModelName.")
        _volume(
            {**variant, **({"KmsKeyId": request["KmsKeyId"]} if "KmsKeyId" in request else {})}, "KmsKeyId"
        )


def deployment(config: dict[str, Any], instances: int) -> None:
    """
    Check how an endpoint is to be updated.

    Parameters
    ----------
    config
        `DeploymentConfig`.
    instances
        Of the smallest variant.

    Raises
    ------
    ValidationError
    """
    policy = config.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    kind = routing.get("Type")
    for wanted, member in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        size = routing.get(member)
        if (size is not None) != (kind == wanted):
            raise ValidationError(f"{member} belongs to the type {wanted}, and to no other")
        whole = 100 if size and size["Type"] == "CAPACITY_PERCENT" else instances
        if size and size["Value"] > whole / 2:
            raise ValidationError(f"{member} must be at most half of the variant's capacity")
    waits = routing.get("WaitIntervalInSeconds", 0) + policy.get("TerminationWaitInSeconds", 0)
    if policy.get("MaximumExecutionTimeoutInSeconds", 14400) <= waits:
        raise ValidationError("MaximumExecutionTimeoutInSeconds must be longer than the waits together")


def _volume(resources: dict[str, Any], key: str) -> None:
    kind = str(resources.get("InstanceType", ""))
    if key in resources and LOCAL_STORAGE.match(kind):
        raise ValidationError(f"{key} is not supported for {kind}, which has local storage; leave it out.")


def _prefixes(sources: Any) -> None:
    for source in _s3(sources):
        if source.get("S3DataType") != "S3Prefix":
            raise ValidationError("The local SageMaker reads prefixes only: give S3DataType S3Prefix.")


def _s3(sources: Any) -> Iterator[dict[str, Any]]:
    for source in sources:
        if "S3DataSource" not in source:
            raise ValidationError("The local SageMaker reads S3 only: give S3DataSource.")
        yield source["S3DataSource"]
