"""Everything fits AWS's limits, and one over each of them is found."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.checks import measures, names, sizes
from stacks.checks.assemblies import Assembly
from stacks.checks.longest import PLACE, longest
from stacks.checks.rendering import RenderingError
from stacks.checks.sizes import LIMITS, Limit
from stacks.regions import REGISTRIES

Template = dict[str, Any]
Plant = Callable[[int], Template]


def _resource(kind: str, **properties: Any) -> Template:
    return {"Resources": {"Planted": {"Type": kind, "Properties": properties}}}


def _many(number: int) -> list[dict[str, str]]:
    return [{"Key": str(each), "Value": ""} for each in range(number)]


def _statements(number: int, **statement: Any) -> Template:
    return {"PolicyDocument": {"Statement": [statement or {"Action": "a"}] * number}}


def _machine(name: str) -> Template:
    definition = {
        "Fn::Join": ["", ['{"States": {"Map": {"ItemProcessor": {"States": {"', name, '": {}}}}}}']]
    }
    return _resource("AWS::StepFunctions::StateMachine", DefinitionString=definition)


def _role(policies: Template, **properties: Any) -> Template:
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": properties},
            "Attached": {**policies, "Properties": {**policies["Properties"], "Roles": [{"Ref": "Role"}]}},
        }
    }


PLANTS: dict[tuple[str, str], Plant] = {
    ("template", "bytes"): lambda n: {"Resources": {}, "Description": "x" * n},
    ("resources", "resources"): lambda n: {
        "Resources": {f"R{each}": {"Type": "A::B::C"} for each in range(n)}
    },
    ("parameters", "parameters"): lambda n: {
        "Resources": {},
        "Parameters": {f"P{each}": {} for each in range(n)},
    },
    ("outputs", "outputs"): lambda n: {"Resources": {}, "Outputs": {f"O{each}": {} for each in range(n)}},
    ("mappings", "mappings"): lambda n: {"Resources": {}, "Mappings": {f"M{each}": {} for each in range(n)}},
    ("mapping", "attributes"): lambda n: {
        "Resources": {},
        "Mappings": {"M": {"row": dict.fromkeys(range(n))}},
    },
    ("description", "bytes"): lambda n: {"Resources": {}, "Description": "x" * n},
    ("logical ID", "characters"): lambda n: {"Resources": {"R" * n: {"Type": "A::B::C"}}},
    ("role's inline policies", "characters"): lambda n: _role(
        {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": "  x" * (n // 2)}},
        Policies=[{"PolicyDocument": "x" * (n - n // 2)}],
    ),
    ("role's managed policies", "policies"): lambda n: _role(
        {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": ""}},
        ManagedPolicyArns=["arn"] * n,
    ),
    ("managed policy", "characters"): lambda n: _resource("AWS::IAM::ManagedPolicy", PolicyDocument="x" * n),
    ("trust policy", "characters"): lambda n: _resource("AWS::IAM::Role", AssumeRolePolicyDocument="x" * n),
    ("bucket policy", "bytes"): lambda n: _resource("AWS::S3::BucketPolicy", PolicyDocument="x" * n),
    ("key policy", "bytes"): lambda n: _resource("AWS::KMS::Key", KeyPolicy="x" * n),
    ("queue policy", "bytes"): lambda n: _resource("AWS::SQS::QueuePolicy", **_statements(1, Sid="x" * n)),
    ("queue policy", "statements"): lambda n: _resource("AWS::SQS::QueuePolicy", **_statements(n)),
    ("queue policy", "actions in a statement"): lambda n: _resource(
        "AWS::SQS::QueuePolicy", **_statements(2, Action=["a"] * n)
    ),
    ("topic policy", "bytes"): lambda n: _resource("AWS::SNS::TopicPolicy", **_statements(1, Sid="x" * n)),
    ("topic policy", "statements"): lambda n: _resource("AWS::SNS::TopicPolicy", **_statements(n)),
    ("environment", "bytes"): lambda n: _function(Environment={"Variables": {"NAME": "x" * n}}),
    ("layers", "layers"): lambda n: _function(Layers=["arn"] * n),
    ("unpacked code", "bytes"): lambda n: _function(),
    ("definition", "bytes"): lambda n: _machine("x" * n),
    ("state's name", "characters"): lambda n: _machine("x" * n),
    ("event pattern", "bytes"): lambda n: _resource("AWS::Events::Rule", EventPattern={"source": ["x" * n]}),
    ("rule", "targets"): lambda n: _resource("AWS::Events::Rule", Targets=[{}] * n),
    ("alarm", "actions"): lambda n: _resource("AWS::CloudWatch::Alarm", AlarmActions=["arn"] * n),
    ("tags", "tags"): lambda n: _resource("AWS::S3::Bucket", Tags=_many(n)),
    ("tag's key", "characters"): lambda n: _resource("AWS::S3::Bucket", Tags={"x" * n: ""}),
    ("tag's value", "characters"): lambda n: _resource(
        "AWS::S3::Bucket", Tags=[{"Key": "k", "Value": "x" * n}]
    ),
}


def _function(**properties: Any) -> Template:
    return _resource("AWS::Lambda::Function", Code={"S3Key": "hash.zip"}, **properties)


def _assembly(folder: Path, template: Template, code: int = 0) -> Assembly:
    """Return an environment of one template, whose only asset is a folder with a file of so many bytes."""
    (folder / "asset.hash").mkdir(exist_ok=True)
    (folder / "asset.hash" / "code").write_bytes(b"")
    os.truncate(folder / "asset.hash" / "code", code)
    manifest = {"files": {"hash": {"source": {"path": "asset.hash"}}}}
    (folder / "planted.assets.json").write_text(json.dumps(manifest))
    return Assembly("dev", folder, {"planted": template})


def _sized(limit: Limit, size: int, folder: Path) -> Assembly:
    """Return an environment in which what a limit is of has a size."""

    def planted(number: int) -> Assembly:
        return _assembly(folder, PLANTS[limit.what, limit.unit](number), number)

    # Besides the padding there are a document's braces and what the plant needs; ten is more than the latter.
    besides = max(size for _, size in limit.measure(planted(10))) - 10
    return planted(size - besides)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.what}, {limit.unit}")
def test_one_over_a_limit_is_found_and_the_limit_itself_is_not(
    limit: Limit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for over in (0, 1):
        planted = _sized(limit, limit.most + over, tmp_path)
        monkeypatch.setattr(names, "longest", lambda *_, planted=planted: planted)
        said = (
            f"{limit.what} of {limit.most + 1:,} {limit.unit}, and AWS takes {limit.most:,}: {limit.source}"
        )
        found = [each for each in sizes.check([planted]).findings if each.endswith(said)]
        # Once as it is named, and once under the longest name.
        assert len(found) == 2 * over


def test_every_limit_has_its_page_and_no_two_are_the_same() -> None:
    assert all(limit.source.startswith("https://") for limit in LIMITS)
    assert [*PLANTS] == [(limit.what, limit.unit) for limit in LIMITS]


def test_everything_fits(assemblies: list[Assembly]) -> None:
    result = sizes.check(assemblies)
    assert result.findings == ()
    assert result.count > 1000
    # What is measured nowhere would always fit.
    nowhere = {limit.what for limit in LIMITS if not any([*limit.measure(each)] for each in assemblies)}
    assert nowhere == {"managed policy"}


def test_a_template_is_measured_as_it_is_uploaded(assemblies: list[Assembly]) -> None:
    for assembly in assemblies:
        for stack, size in measures.bodies(assembly):
            assert size == (assembly.folder / f"{stack}.template.json").stat().st_size


def test_an_archive_is_measured_unpacked(tmp_path: Path) -> None:
    assembly = _assembly(tmp_path, _function())
    with zipfile.ZipFile(tmp_path / "hash.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("code.py", "x" * 10_000)
    (tmp_path / "planted.assets.json").write_text('{"files": {"hash": {"source": {"path": "hash.zip"}}}}')
    assert [*measures.packages(assembly)] == [("planted Planted", 10_000)]


def test_a_policy_of_another_stack_counts_for_the_role(tmp_path: Path) -> None:
    role = {
        **_resource("AWS::IAM::Role"),
        "Outputs": {"Role": {"Value": {"Ref": "Planted"}, "Export": {"Name": "role"}}},
    }
    policy = _resource("AWS::IAM::Policy", PolicyDocument="x", Roles=[{"Fn::ImportValue": "role"}])
    assembly = Assembly("dev", tmp_path, {"one": role, "other": policy})
    assert dict(measures.inline_policies(assembly)) == {"one Planted": 3}


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ({"Ref": "AWS::AccountId"}, 12),
        ({"Ref": "Bucket"}, 36),
        ({"Fn::Join": ["-", ["ab", {"Ref": "AWS::Region"}]]}, 17),
        ({"Fn::Sub": "${AWS::Region}${!kept}"}, 14 + len("${!kept}")),
        ({"Fn::FindInMap": ["Map", {"Ref": "AWS::Region"}, "key"]}, 7),
        ({"Fn::Select": [1, {"Fn::Split": [":", {"Ref": "AWS::Region"}]}]}, 14),
    ],
)
def test_a_value_is_as_long_as_it_can_get(tmp_path: Path, value: Any, length: int) -> None:
    template = {
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
        "Mappings": {"Map": {"a": {"key": "short"}, "b": {"key": "longest"}}},
    }
    assert len(longest(value, Assembly("dev", tmp_path, {"stack": template}), "stack")) == length


def test_no_region_is_longer_than_the_one_that_is_measured_with() -> None:
    assert len(PLACE.region) == max(map(len, REGISTRIES))


@pytest.mark.parametrize("value", [{"Fn::Base64": "x"}, {"Fn::ImportValue": "nobody's"}])
def test_a_value_of_unknown_length_is_an_error(tmp_path: Path, value: Any) -> None:
    with pytest.raises(RenderingError):
        longest(value, Assembly("dev", tmp_path, {}), "stack")
