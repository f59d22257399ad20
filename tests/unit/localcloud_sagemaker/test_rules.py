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


def test_a_number_is_refused_when_it_is_over_its_limit() -> None:
    shape = model.operation("UpdateEndpoint").input_shape
    assert shape is not None
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3601}
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    request = {"EndpointName": "a", "EndpointConfigName": "b", "DeploymentConfig": deployment}
    with pytest.raises(ValidationError, match="Member must have value less than or equal to 3600"):
        model.validate(request, shape)
