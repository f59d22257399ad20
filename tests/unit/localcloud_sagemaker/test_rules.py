"""Requests that the model allows and SageMaker does not."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker import model, rules
from localcloud.sagemaker.errors import ValidationError


def _training(**change: Any) -> dict[str, Any]:
    return {
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **change,
    }


def _gpu(kind: str) -> dict[str, Any]:
    return {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 10, "VolumeKmsKeyId": "alias/key"}


@pytest.mark.parametrize(
    "kind", ["ml.g4dn.xlarge", "ml.g5.2xlarge", "ml.g6.xlarge", "ml.p4d.24xlarge", "ml.m5d.large"]
)
def test_a_volume_key_is_refused_when_the_instance_has_local_storage(kind: str) -> None:
    with pytest.raises(ValidationError, match="local storage"):
        rules.training(_training(ResourceConfig=_gpu(kind)))


@pytest.mark.parametrize("kind", ["ml.m5.large", "ml.p3.2xlarge", "ml.c6i.large"])
def test_a_volume_key_passes_when_the_instance_has_no_local_storage(kind: str) -> None:
    rules.training(_training(ResourceConfig=_gpu(kind)))


@pytest.mark.parametrize(
    ("spot", "wait", "passes"),
    [(True, 600, True), (True, 599, False), (True, None, False), (False, None, True), (False, 600, False)],
)
def test_the_longest_wait_fits_the_run_when_the_instance_is_spot(
    spot: bool, wait: int | None, passes: bool
) -> None:
    waiting = {} if wait is None else {"MaxWaitTimeInSeconds": wait}
    request = _training(
        EnableManagedSpotTraining=spot, StoppingCondition={"MaxRuntimeInSeconds": 600, **waiting}
    )
    if passes:
        rules.training(request)
    else:
        with pytest.raises(ValidationError, match="MaxWaitTimeInSeconds"):
            rules.training(request)


def test_an_endpoint_configuration_is_refused_when_two_variants_share_a_name() -> None:
    variant = {"VariantName": "AllTraffic", "ModelName": "one", "InstanceType": "ml.m5.large"}
    rules.endpoint_config({"ProductionVariants": [variant]})
    with pytest.raises(ValidationError, match="unique"):
        rules.endpoint_config({"ProductionVariants": [variant, variant]})


def _variant(name: str) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": name.lower(), "InstanceType": "ml.m5.large"}


@pytest.mark.parametrize(
    ("production", "shadows", "refused"),
    [
        (["A"], ["B"], ""),
        (["A"], ["A"], "unique"),
        (["A", "B"], ["C"], "this one has 1 and 2"),
        (["A"], ["B", "C"], "this one has 2 and 1"),
        (["A", "B"], [], ""),
    ],
)
def test_one_shadow_variant_goes_with_one_production_variant_when_there_is_one(
    production: list[str], shadows: list[str], refused: str
) -> None:
    request = {
        "ProductionVariants": [_variant(name) for name in production],
        "ShadowProductionVariants": [_variant(name) for name in shadows],
    }
    if not refused:
        rules.endpoint_config(request)
    else:
        with pytest.raises(ValidationError, match=refused):
            rules.endpoint_config(request)


def test_a_shadow_variants_volume_key_is_refused_when_its_instance_has_local_storage() -> None:
    shadow = {**_variant("B"), "InstanceType": "ml.g5.xlarge"}
    request = {
        "ProductionVariants": [_variant("A")],
        "ShadowProductionVariants": [shadow],
        "KmsKeyId": "alias/key",
    }
    with pytest.raises(ValidationError, match="local storage"):
        rules.endpoint_config(request)


def test_data_capture_is_refused_when_its_destination_is_no_s3_uri() -> None:
    capture = {"DestinationS3Uri": "https://bucket.s3.amazonaws.com/a"}
    with pytest.raises(ValidationError, match="s3://"):
        rules.endpoint_config({"ProductionVariants": [_variant("A")], "DataCaptureConfig": capture})


def test_a_number_is_refused_when_it_is_over_its_limit() -> None:
    shape = model.operation("UpdateEndpoint").input_shape
    assert shape is not None
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3601}
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    request = {"EndpointName": "a", "EndpointConfigName": "b", "DeploymentConfig": deployment}
    with pytest.raises(ValidationError, match="Member must have value less than or equal to 3600"):
        model.validate(request, shape)


def test_a_processing_job_is_refused_when_a_path_is_outside_its_folder() -> None:
    cluster = {"ClusterConfig": {"InstanceType": "ml.m5.large"}}
    given = {"S3Uri": "s3://bucket/a", "LocalPath": "/opt/ml/processing/a"}
    rules.processing(
        {"ProcessingResources": cluster, "ProcessingInputs": [{"InputName": "a", "S3Input": given}]}
    )
    elsewhere = {"S3Output": {**given, "LocalPath": "/data"}, "OutputName": "b"}
    with pytest.raises(ValidationError, match="/opt/ml/processing/"):
        rules.processing({"ProcessingResources": cluster, "ProcessingOutputConfig": {"Outputs": [elsewhere]}})


@pytest.mark.parametrize(("at_once", "megabytes", "passes"), [(16, 6, True), (17, 6, False), (1, 100, True)])
def test_a_transform_job_is_refused_when_its_payloads_are_too_large_together(
    at_once: int, megabytes: int, passes: bool
) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/a"}}
    request = {
        "TransformResources": {"InstanceType": "ml.m5.large"},
        "TransformInput": {"DataSource": source},
        "MaxConcurrentTransforms": at_once,
        "MaxPayloadInMB": megabytes,
    }
    if passes:
        rules.transform(request)
    else:
        with pytest.raises(ValidationError, match="100 MB"):
            rules.transform(request)


def _rollout(instances: int, percent: bool, value: int, timeout: int = 3600) -> None:
    size = {"Type": "CAPACITY_PERCENT" if percent else "INSTANCE_COUNT", "Value": value}
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 300}
    policy = {
        "TrafficRoutingConfiguration": routing,
        "TerminationWaitInSeconds": 300,
        "MaximumExecutionTimeoutInSeconds": timeout,
    }
    rules.deployment({"BlueGreenUpdatePolicy": policy}, instances)


@pytest.mark.parametrize(("instances", "percent", "value"), [(2, False, 2), (1, False, 1), (4, True, 51)])
def test_a_canary_is_refused_when_it_is_more_than_half(instances: int, percent: bool, value: int) -> None:
    with pytest.raises(ValidationError, match="half"):
        _rollout(instances, percent, value)


def test_a_rollout_is_refused_when_its_waits_take_all_of_its_time() -> None:
    _rollout(2, percent=False, value=1)
    with pytest.raises(ValidationError, match="longer than the waits"):
        _rollout(2, percent=False, value=1, timeout=600)


def test_a_canarys_size_is_refused_when_all_traffic_moves_at_once() -> None:
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    policy = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "CanarySize": size}}
    with pytest.raises(ValidationError, match="CANARY"):
        rules.deployment({"BlueGreenUpdatePolicy": policy}, 2)
