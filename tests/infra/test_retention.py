"""What stays and what goes, by setting."""

from __future__ import annotations

from tests.infra.conftest import Synthesized, synthesize

STATEFUL = ("AWS::S3::Bucket", "AWS::KMS::Key")


def test_dev_destroys_its_data() -> None:
    dev = synthesize("dev")
    for kind in STATEFUL:
        assert {each["DeletionPolicy"] for _, each in dev.resources(kind)} == {"Delete"}
    assert len(list(dev.resources("Custom::S3AutoDeleteObjects"))) == 5


def test_prod_keeps_its_data_and_the_key_that_opens_it() -> None:
    prod = synthesize("prod")
    for kind in STATEFUL:
        assert {each["DeletionPolicy"] for _, each in prod.resources(kind)} == {"Retain"}
    assert not list(prod.resources("Custom::S3AutoDeleteObjects"))


def test_log_groups_never_outlive_their_stack(synthesized: Synthesized) -> None:
    groups = list(synthesized.resources("AWS::Logs::LogGroup"))
    assert groups
    for name, group in groups:
        assert group["DeletionPolicy"] == "Delete", name
        assert group["Properties"]["RetentionInDays"] in (14, 90), name


def test_stacks_hold_no_physical_names_but_the_model_package_group(synthesized: Synthesized) -> None:
    names = (
        "BucketName",
        "TableName",
        "QueueName",
        "RoleName",
        "FunctionName",
        "StateMachineName",
        "TopicName",
    )
    for template in synthesized.templates.values():
        for logical_id, resource in template["Resources"].items():
            if not resource["Type"].startswith(("AWS::Lambda::EventSource", "Custom::", "AWS::Lambda::Perm")):
                found = [name for name in names if isinstance(resource.get("Properties", {}).get(name), str)]
                assert not found, (logical_id, found)
