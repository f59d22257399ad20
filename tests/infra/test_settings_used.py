"""Every setting reaches the templates, and what is optional is absent when it is off."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from lambda_src import environment
from tests.infra.conftest import Synthesized

OUTPUTS = {
    "data": {"InboundBucketName", "DatasetsBucketName", "ModelsBucketName", "ResultsBucketName"},
    "training": {
        *("TrainingStateMachineArn", "StateTableName", "EndpointName", "AlertsTopicArn"),
        "ModelPackageGroupName",
    },
    "classification": {
        *("ResultsTableName", "ClassificationStateMachineArn", "ReviewQueueUrl", "DeadLetterQueueUrl"),
        *("InboundQueueUrl", "EventBusName"),
    },
    "monitoring": {"AnalysisStateMachineArn", "DashboardName", "AlarmName"},
}
CONTRACTS = {
    "dispatcher": environment.DispatcherEnvironment,
    "classify_image": environment.ClassifyImageEnvironment,
    "publish_decision": environment.PublishDecisionEnvironment,
    "package_model": environment.PackageModelEnvironment,
    "smoke_test": environment.SmokeTestEnvironment,
    "train_on_deploy": environment.TrainOnDeployEnvironment,
}


def _train(synthesized: Synthesized) -> dict[str, Any]:
    arguments: dict[str, Any] = synthesized.machine("training")["States"]["Train"]["Arguments"]
    return arguments


def test_outputs_are_those_that_the_command_line_reads(synthesized: Synthesized) -> None:
    for stack, names in OUTPUTS.items():
        assert names <= set(synthesized.templates[stack]["Outputs"])


def test_functions_get_the_variables_that_they_read(synthesized: Synthesized) -> None:
    seen = set()
    for _, function in synthesized.resources("AWS::Lambda::Function"):
        handler = function["Properties"]["Handler"]
        if handler.startswith("lambda_src."):
            name = handler.split(".")[1]
            seen.add(name)
            given = set(function["Properties"]["Environment"]["Variables"])
            wanted = {field.name.upper() for field in fields(CONTRACTS[name])}
            assert {each for each in given if not each.startswith("POWERTOOLS_")} == wanted, name
    assert seen == set(CONTRACTS)


def test_every_role_has_the_boundary_when_one_is_set(overlaid: Synthesized) -> None:
    roles = list(overlaid.resources("AWS::IAM::Role"))
    assert {role["Properties"].get("PermissionsBoundary") for _, role in roles} == {
        "arn:aws:iam::123456789012:policy/boundary"
    }


def test_roles_have_no_boundary_and_alerts_no_subscriber_when_none_is_set(synthesized: Synthesized) -> None:
    roles = synthesized.resources("AWS::IAM::Role")
    assert not [name for name, role in roles if "PermissionsBoundary" in role["Properties"]]
    assert not list(synthesized.resources("AWS::SNS::Subscription"))


def test_alerts_reach_the_addresses_that_are_set(overlaid: Synthesized) -> None:
    (subscription,) = [each for _, each in overlaid.resources("AWS::SNS::Subscription")]
    assert subscription["Properties"]["Endpoint"] == "on-call@example.com"


def test_cost_tags_are_on_buckets_functions_and_tables(overlaid: Synthesized) -> None:
    for kind in ("AWS::S3::Bucket", "AWS::Lambda::Function", "AWS::DynamoDB::Table"):
        for name, resource in overlaid.resources(kind):
            if "AutoDelete" not in name:
                assert {"Key": "cost-centre", "Value": "1234"} in resource["Properties"]["Tags"], name


def test_an_s3_source_is_readable_below_its_prefix_and_staged_in_isolation(overlaid: Synthesized) -> None:
    stage = overlaid.machine("training")["States"]["Stage"]["Arguments"]
    source = next(each for each in stage["ProcessingInputs"] if each["InputName"] == "source")
    assert source["S3Input"]["S3Uri"] == "s3://somebodys-pictures/vehicles/"
    assert stage["NetworkConfig"]["EnableNetworkIsolation"] is True
    (statement,) = [each for each in overlaid.statements() if "somebodys-pictures" in json.dumps(each)]
    assert "somebodys-pictures/vehicles/*" in json.dumps(statement["Resource"])


def test_only_a_url_takes_the_network(synthesized: Synthesized) -> None:
    states = synthesized.machine("training")["States"]
    jobs = [
        each["Arguments"] for each in states.values() if "createProcessingJob" in each.get("Resource", "")
    ]
    assert [job["NetworkConfig"]["EnableNetworkIsolation"] for job in jobs].count(False) == 1
    assert states["Stage"]["Arguments"]["NetworkConfig"]["EnableNetworkIsolation"] is False


def test_the_sample_rate_reaches_the_function_that_samples(
    synthesized: Synthesized, overlaid: Synthesized
) -> None:
    for chosen, expected in ((synthesized, "0.02"), (overlaid, "0.5")):
        (given,) = [
            each["Properties"]["Environment"]["Variables"]["SAMPLE_RATE"]
            for name, each in chosen.resources("AWS::Lambda::Function")
            if name.startswith("Classify")
        ]
        assert given == expected


def test_hyperparameters_reach_the_job_as_text(overlaid: Synthesized) -> None:
    given = _train(overlaid)["HyperParameters"]
    assert (given["epochs"], given["learning-rate"]) == ("5", "0.001")
    assert given["classes"] == "bicycle,motorcycle"


def test_several_instances_train_under_torchrun(synthesized: Synthesized, overlaid: Synthesized) -> None:
    for chosen, count in ((synthesized, 1), (overlaid, 2)):
        job = _train(chosen)
        assert job["ResourceConfig"]["InstanceCount"] == count
        assert job.get("EnableInterContainerTrafficEncryption") is (True if count > 1 else None)
        asked = job["HyperParameters"].get("sagemaker_torch_distributed_enabled")
        assert asked == ("true" if count > 1 else None)


def test_deploying_trains_when_the_setting_says_so(synthesized: Synthesized, overlaid: Synthesized) -> None:
    for chosen, expected in ((synthesized, "true"), (overlaid, "false")):
        (resource,) = [each for _, each in chosen.resources("Custom::TrainOnDeploy")]
        assert resource["Properties"]["AtDeploy"] == expected
        assert int(resource["Properties"]["ServiceTimeout"]) <= 3600
