"""Models, packages and CloudFormation's types against a running emulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.instance import Instance
from tests.integration.localcloud_sagemaker.conftest import RAY, ROLE, unique, wait


def _package(group: str, **more: Any) -> dict[str, Any]:
    return {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [{"Image": RAY, "ModelDataUrl": "s3://bucket/model.tar.gz"}],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": "Approved",
        "CustomerMetadataProperties": {"accuracy": "0.97"},
        **more,
    }


def test_versions_count_up_when_packages_are_added_to_a_group(sagemaker: Any) -> None:
    group = unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=group, Tags=[{"Key": "a", "Value": "1"}])
    first = sagemaker.create_model_package(**_package(group))["ModelPackageArn"]
    second = sagemaker.create_model_package(**_package(group))["ModelPackageArn"]
    assert first.endswith(f":model-package/{group}/1")
    assert second.endswith(f":model-package/{group}/2")
    shown = sagemaker.describe_model_package(ModelPackageName=first)
    assert (shown["ModelPackageVersion"], shown["ModelPackageStatus"]) == (1, "Completed")
    assert shown["CustomerMetadataProperties"] == {"accuracy": "0.97"}
    sagemaker.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Rejected")
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert [(each["ModelPackageVersion"], each["ModelApprovalStatus"]) for each in listed] == [
        (2, "Approved"),
        (1, "Rejected"),
    ]
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    for arn in (first, second):
        sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_tags_are_refused_when_a_package_is_in_a_group(sagemaker: Any) -> None:
    group = unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="ValidationException"):
        sagemaker.create_model_package(**_package(group, Tags=[{"Key": "a", "Value": "1"}]))
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)


def test_a_model_is_found_by_name_and_page_until_it_is_deleted(sagemaker: Any) -> None:
    stem = unique("model")
    names = [f"{stem}-{number}" for number in range(3)]
    for name in names:
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": RAY, "ModelDataUrl": "s3://bucket/model.tar.gz"},
        )
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains=stem, PaginationConfig={"PageSize": 2}
    )
    assert [model["ModelName"] for page in pages for model in page["Models"]] == names[::-1]
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        sagemaker.create_model(ModelName=names[0], ExecutionRoleArn=ROLE)
    for name in names:
        sagemaker.delete_model(ModelName=name)
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.describe_model(ModelName=names[0])


def test_a_group_comes_and_goes_when_a_stack_does(cloud: Instance, sagemaker: Any) -> None:
    group, stack = unique("group"), unique("stack")
    template = {
        "Resources": {
            "Group": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                "Properties": {
                    "ModelPackageGroupName": group,
                    "ModelPackageGroupDescription": "Versions of a model.",
                    "Tags": [{"Key": "a", "Value": "1"}],
                },
            }
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Group", "ModelPackageGroupArn"]}}},
    }
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    shown = wait(
        lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0],
        lambda seen: not seen["StackStatus"].endswith("IN_PROGRESS"),
    )
    assert shown["StackStatus"] == "CREATE_COMPLETE", shown
    arn = sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    assert shown["Outputs"][0]["OutputValue"] == arn
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"][0] == {"Key": "a", "Value": "1"}
    cloudformation.delete_stack(StackName=stack)
    wait(
        lambda: sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"],
        lambda seen: not seen,
    )
