"""The tables of regions are those of AWS's own SDKs, and the check sees where a template departs from them."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import sagemaker.core
from aws_cdk import App, Stack
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

from stacks import images
from stacks.checks import regions as regions_check
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import demands
from stacks.regions import LACKING, OFFERED, REGISTRIES, WITHOUT_BUDGETS, supporting
from stacks.settings import SettingsError
from tests.infra.conftest import ENVIRONMENTS

SHAPES = {
    "endpoint": "ProductionVariantInstanceType",
    "training job": "TrainingInstanceType",
    "spot training job": "TrainingInstanceType",
    "processing job": "ProcessingInstanceType",
    "transform job": "TransformInstanceType",
}


def _registries(file: str, *path: str) -> dict[str, str]:
    config = Path(sagemaker.core.__file__).parent / "image_uri_config" / file
    content: Any = json.loads(config.read_text())
    for part in path:
        content = content[part]
    registries: dict[str, str] = content["registries"]
    return registries


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("ray-serve.json", ("versions", "1")),
        ("pytorch-amzn2023.json", ("training", "versions", "2.13")),
    ],
)
def test_the_registries_are_those_of_the_sagemaker_sdk(file: str, path: tuple[str, ...]) -> None:
    known = _registries(file, *path)
    assert {region: known.get(region) for region in REGISTRIES} == REGISTRIES


def test_every_region_with_sagemaker_is_in_the_table() -> None:
    session = boto3.Session()
    known = {
        region
        for partition in ("aws", "aws-us-gov")
        for region in session.get_available_regions("sagemaker", partition_name=partition)
    }
    assert known == set(REGISTRIES)


def test_sagemaker_knows_every_type_for_its_use(assemblies: list[Assembly]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for assembly in assemblies:
        for each in demands(assembly):
            shape: Any = model.shape_for(SHAPES[each.use])
            assert each.instance_type in shape.enum, each


def test_nothing_is_found_when_templates_take_what_the_tables_allow(assemblies: list[Assembly]) -> None:
    result = regions_check.check(assemblies)
    assert result.findings == ()
    assert result.count == len(ENVIRONMENTS) * (len(REGISTRIES) + 1)


def _lacking(kinds: Iterable[str]) -> dict[str, str]:
    lacking = {}
    for region in REGISTRIES:
        for kind in sorted(kinds):
            try:
                PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind)
            except ResourceNotFoundError:
                lacking[region] = kind
    return lacking


def test_cloudformation_lacks_what_the_table_says_and_no_more(assemblies: list[Assembly]) -> None:
    kinds = {
        resource["Type"]
        for assembly in assemblies
        for template in assembly.templates.values()
        for resource in template["Resources"].values()
        if not resource["Type"].startswith("Custom::") and "Condition" not in resource
    }
    assert _lacking(kinds) == LACKING


def test_a_budget_is_left_out_where_cloudformation_has_none(assemblies: list[Assembly]) -> None:
    kind = "AWS::Budgets::Budget"
    assert [*_lacking([kind])] == [each for each in REGISTRIES if each in WITHOUT_BUDGETS]
    found = [
        name for assembly in assemblies for _, name, each in assembly.resources(kind) if each["Condition"]
    ]
    assert len(found) == 1


@pytest.mark.parametrize(("env", "regions"), [("dev", 27), ("prod", 19)])
def test_an_environment_takes_as_many_regions_as_have_its_instances(
    assemblies: list[Assembly], env: str, regions: int
) -> None:
    (assembly,) = [each for each in assemblies if each.env == env]
    types = {each.instance_type for each in demands(assembly)}
    assert len(supporting(types)) == regions


def _changed(assembly: Assembly, region: str, account: str | None) -> Assembly:
    templates = copy.deepcopy({name: dict(content) for name, content in assembly.templates.items()})
    for template in templates.values():
        for mapping in template.get("Mappings", {}).values():
            mapping.pop(region, None)
            if account is not None:
                mapping[region] = {"account": account}
    return dataclasses.replace(assembly, templates=templates)


@pytest.mark.parametrize(
    ("region", "account", "said"),
    [
        ("eu-central-2", REGISTRIES["eu-central-2"], "prod takes eu-central-2, which as of"),
        ("us-east-1", "000000000000", "looks for ray in account 000000000000 in us-east-1"),
        ("us-west-2", None, "prod refuses us-west-2"),
        ("nowhere-1", "000000000000", "prod takes the unknown region nowhere-1"),
    ],
)
def test_it_is_found_when_a_template_departs_from_the_tables(
    assemblies: list[Assembly], region: str, account: str | None, said: str
) -> None:
    findings = regions_check.check([_changed(assemblies[1], region, account)]).findings
    assert any(said in finding for finding in findings), findings


def test_it_is_found_when_the_table_lacks_an_instance_type(
    assemblies: list[Assembly], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OFFERED, "ml.g5.xlarge")
    findings = regions_check.check(assemblies[1:]).findings
    assert "does not say where ml.g5.xlarge is offered" in findings[0]


def test_it_is_found_when_cdk_has_another_account(
    assemblies: list[Assembly], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRIES, "us-east-1", "000000000000")
    assert any("CDK has 763104351884" in each for each in regions_check.check(assemblies[:1]).findings)


def test_instances_that_no_region_has_together_are_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFERED, "ml.m5.large", frozenset({"us-east-1"}))
    monkeypatch.setitem(OFFERED, "ml.g5.xlarge", frozenset({"us-west-2"}))
    with pytest.raises(SettingsError, match=r"No region has all of ml\.g5\.xlarge, ml\.m5\.large"):
        images.confine(Stack(App(), "stack"), ["ml.m5.large", "ml.g5.xlarge"])
