"""cfn-lint finds nothing in the templates, and finds what is planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.checks import schema
from stacks.checks.assemblies import Assembly

pytestmark = pytest.mark.timeout(300)


def test_every_template_fits_cloudformations_schemas_in_every_region(assemblies: list[Assembly]) -> None:
    result = schema.check(assemblies)
    assert result.findings == ()
    assert result.count == sum(len(each.templates) for each in assemblies) > 0


def _misspell(bucket: dict[str, Any]) -> None:
    bucket["Properties"]["VersioningConfig"] = bucket["Properties"].pop("VersioningConfiguration")


def _mistype(bucket: dict[str, Any]) -> None:
    bucket["Properties"]["BucketEncryption"] = "AES256"


def _wrong_value(bucket: dict[str, Any]) -> None:
    bucket["Properties"]["VersioningConfiguration"]["Status"] = "On"


def _dangling(bucket: dict[str, Any]) -> None:
    bucket["Properties"]["BucketName"] = {"Ref": "Nothing"}


@pytest.mark.parametrize("fault", [_misspell, _mistype, _wrong_value, _dangling])
def test_a_planted_fault_is_found(
    assemblies: list[Assembly], tmp_path: Path, fault: Callable[[dict[str, Any]], None]
) -> None:
    stack = next(name for name in assemblies[0].templates if name.endswith("-data"))
    template = json.loads(json.dumps(assemblies[0].templates[stack]))
    bucket = next(
        each
        for each in template["Resources"].values()
        if each["Type"] == "AWS::S3::Bucket" and "VersioningConfiguration" in each["Properties"]
    )
    fault(bucket)
    (tmp_path / f"{stack}.template.json").write_text(json.dumps(template))
    findings = schema.check([Assembly("dev", tmp_path, {stack: template})]).findings
    assert len(findings) >= 1, fault
