"""Requests are refused as SageMaker refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker import model
from localcloud.sagemaker.errors import ValidationError

GROUP = {"ModelPackageGroupName": "vehicles"}


def refusal(action: str, request: dict[str, Any]) -> str:
    shape = model.operation(action).input_shape
    assert shape is not None
    with pytest.raises(ValidationError) as caught:
        model.validate(request, shape)
    assert caught.value.code == "ValidationException"
    return str(caught.value)


def test_a_request_passes_when_the_model_allows_it() -> None:
    shape = model.operation("CreateModelPackageGroup").input_shape
    assert shape is not None
    model.validate({**GROUP, "Tags": [{"Key": "scones:classifier", "Value": "vehicles"}]}, shape)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ModelPackageGroupName": "under_score"}, "regular expression pattern"),
        ({"ModelPackageGroupName": "x" * 64}, "length less than or equal to 63"),
        ({"ModelPackageGroupName": 3}, "Invalid type for parameter ModelPackageGroupName"),
        ({"Tags": [{"Key": "a"}]}, 'Missing required parameter in Tags[0]: "Value"'),
        ({"Tags": [{"Key": "a", "Value": "b"}] * 51}, "length less than or equal to 50"),
        ({"Colour": "red"}, "Colour"),
    ],
)
def test_a_request_is_refused_when_it_breaks_the_model(change: dict[str, Any], said: str) -> None:
    assert said in refusal("CreateModelPackageGroup", {**GROUP, **change})


def test_every_fault_is_named_when_there_are_several() -> None:
    said = refusal("UpdateModelPackage", {"ModelPackageArn": "nonsense", "ModelApprovalStatus": "Maybe"})
    assert said.startswith("2 validation errors detected: ")
    assert "enum value set: [Approved, Rejected, PendingManualApproval]" in said


def test_an_operation_is_refused_when_there_is_none_of_its_name() -> None:
    with pytest.raises(ValidationError, match="Unknown operation CreateEverything"):
        model.operation("CreateEverything")
