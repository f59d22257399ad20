"""The snapshots are those of the templates, and change with what the templates mean and with nothing else."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.archives import sha256, weights_file
from stacks.checks import snapshots
from stacks.checks.assemblies import Assembly, environments
from stacks.checks.readable import MACHINE, readable, separated
from tests.infra.conftest import ENVIRONMENTS, assembled, shipped


def test_the_snapshots_are_those_of_the_templates() -> None:
    wanted: dict[str, str] = {}
    for env in environments():
        wanted |= snapshots.files(shipped(env))
    found = "".join(snapshots.differences(wanted))
    if found:
        pytest.fail(f"{found}\nIf that is what you meant: `{snapshots.COMMAND}`, and commit.", pytrace=False)


def _hashed_otherwise(assembly: Assembly, folder: Path) -> Assembly:
    """Return an environment whose every asset and fingerprint has another hash, as other code would give it.

    The pretrained weights keep theirs: they are no code, and a snapshot is to show that they changed.
    """
    weights = sha256(weights_file())

    def other(text: str) -> str:
        pattern = rf"\b(?!{weights})[0-9a-f]{{64}}\b|(?<=ingerprint)[^0-9a-f]+[0-9a-f]{{32}}\b"
        return re.sub(
            pattern, lambda each: re.sub("[0-9a-f]{32,}", lambda hashed: hashed[0][::-1], each[0]), text
        )

    templates = {}
    for stack, template in assembly.templates.items():
        manifest = f"{stack}.assets.json"
        (folder / manifest).write_text(other((assembly.folder / manifest).read_text()))
        templates[stack] = json.loads(other(json.dumps(template)))
        assert templates[stack] != template
    return dataclasses.replace(assembly, folder=folder, templates=templates)


def test_no_snapshot_changes_when_code_alone_does(tmp_path: Path) -> None:
    assembly = assembled("dev")
    assert snapshots.files(_hashed_otherwise(assembly, tmp_path)) == snapshots.files(assembly)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list) or not value:
        yield path
    for key, each in items:
        yield from _leaves(each, (*path, key))


def _with_another(value: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    before = holder[path[-1]]
    holder[path[-1]] = not before if isinstance(before, bool) else f"{before}x" if before else "x"
    return changed


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_snapshot_changes_with_every_value_of_a_template(env: str) -> None:
    seen = 0
    for stack, template in assembled(env).templates.items():
        for logical_id, resource in template["Resources"].items():
            plain = {key: each for key, each in resource.items() if key != "Metadata"}
            if resource["Type"] == MACHINE:
                # Half a definition cannot be read: the next test is for these.
                plain["Properties"] = {**plain["Properties"], "DefinitionString": "{}"}
            before = separated({"Resources": {logical_id: plain}}, stack)
            for path in _leaves(plain):
                if path[-1] != "DefinitionString":
                    changed = _with_another(plain, path)
                    after = separated({"Resources": {logical_id: changed}}, stack)
                    assert after != before, (logical_id, path)
                    seen += 1
    assert seen > 1000


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"\"MaxAttempts\":4", r"\"MaxAttempts\":5"),
        (r"\"Next\":\"ReadChampion\"", r"\"Next\":\"ReadLock\""),
        (r"\"TimeoutSeconds\":30", r"\"TimeoutSeconds\":31"),
        (r"attribute_not_exists(id) OR", r"attribute_not_exists(id) AND"),
        (r'{"Ref": "State1C20CC9A"}, "\",\"ConsistentRead', r'{"Ref": "Models"}, "\",\"ConsistentRead'),
    ],
)
def test_the_file_of_a_machine_changes_alone_when_its_definition_does(before: str, after: str) -> None:
    assembly = assembled("dev")
    templates = {
        stack: json.loads(json.dumps(template).replace(before, after, 1))
        for stack, template in assembly.templates.items()
        if stack.endswith("-training")
    }
    as_it_is = {stack: assembly.templates[stack] for stack in templates}
    old, new = (
        snapshots.files(dataclasses.replace(assembly, templates=each)) for each in (as_it_is, templates)
    )
    assert [path.rpartition(".")[2] for path in old if old[path] != new[path]] == ["json"]


def test_intrinsics_read_as_text_and_a_text_never_as_an_intrinsic() -> None:
    joined = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::", {"Ref": "Bucket"}, "/*"]]}
    assert readable(joined) == "arn:${AWS::Partition}:s3:::${Bucket}/*"
    assert readable({"Fn::GetAtt": ["Role", "Arn"]}) == "${Role.Arn}"
    assert readable({"Fn::ImportValue": "data:Key"}) == "${ImportValue data:Key}"
    assert readable("${Bucket}") == "${!Bucket}"
    assert readable({"Fn::If": ["Wanted", {"Ref": "A"}, "b"]}) == {"Fn::If": ["Wanted", "${A}", "b"]}


def test_what_is_missing_changed_or_left_over_is_said(tmp_path: Path) -> None:
    snapshots.write({"dev/same.yaml": "a\n", "dev/changed.yaml": "b: 1\n", "dev/over.yaml": "c\n"}, tmp_path)
    wanted = {"dev/same.yaml": "a\n", "dev/changed.yaml": "b: 2\n", "dev/missing.yaml": "d\n"}
    changed, missing, over = snapshots.differences(wanted, tmp_path)
    assert changed.endswith("-b: 1\n+b: 2\n")
    assert missing == "dev/missing.yaml is missing\n"
    assert over == "dev/over.yaml is a snapshot of nothing any more\n"
    assert snapshots.write(wanted, tmp_path) == ["dev/changed.yaml", "dev/missing.yaml", "dev/over.yaml"]
    assert not list(snapshots.differences(wanted, tmp_path))
    assert snapshots.write(wanted, tmp_path) == []


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_template_names_a_partition_of_its_own(env: str) -> None:
    assert "arn:aws:" not in snapshots.files(assembled(env))[f"{env}/aws-us-gov.yaml"]
