"""cfn-guard finds planted faults, each finding is reasoned, and a reason that explains nothing is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.checks import guard
from stacks.checks.assemblies import Assembly
from stacks.checks.guard_reasons import OF_DESTROYED, REASONS
from stacks.checks.reasons import explained, judged

pytestmark = pytest.mark.timeout(300)


def _planted(folder: Path, resources: dict[str, Any]) -> Assembly:
    template = {"Resources": resources}
    folder.mkdir(exist_ok=True)
    (folder / "planted.template.json").write_text(json.dumps(template))
    return Assembly("dev", folder, {"planted": template})


def test_a_planted_fault_is_found_in_a_folder_with_a_space(tmp_path: Path) -> None:
    queue = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"SqsManagedSseEnabled": False},
        "Metadata": {"aws:cdk:path": "planted/Queue/Resource"},
    }
    found = guard.findings(_planted(tmp_path / "a folder", {"Queue4A7E3555": queue}))
    assert found == [
        ("sqs_dlq_check", "planted/Queue/Resource"),
        ("sqs_queue_encrypted_check", "planted/Queue/Resource"),
    ]
    assert not any(explained(each, [*REASONS, OF_DESTROYED]) for each in found)


def test_only_the_resource_at_fault_is_named_when_another_is_sound(tmp_path: Path) -> None:
    key = {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": True}}
    found = guard.findings(
        _planted(tmp_path, {"Sound": key, "Fixed": {**key, "Properties": {"EnableKeyRotation": False}}})
    )
    assert [place for rule, place in found if rule == "kms_key_rotation_enabled_check"] == ["planted/Fixed"]


def test_nothing_is_found_when_no_control_concerns_a_template(tmp_path: Path) -> None:
    assert guard.findings(_planted(tmp_path, {"Bus": {"Type": "AWS::Events::EventBus"}})) == []


def test_a_template_that_cannot_be_read_is_no_success(tmp_path: Path) -> None:
    assembly = _planted(tmp_path, {"Queue": {"Type": "AWS::SQS::Queue"}})
    (tmp_path / "planted.template.json").write_text("{")
    with pytest.raises(guard.GuardError, match="cfn-guard ended with"):
        guard.findings(assembly)


def test_a_machine_without_an_engine_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(guard.GuardError, match="riscv64"):
        guard.findings(_planted(tmp_path, {}))


def test_a_stale_reason_is_reported() -> None:
    found = [("rule", "stack/Queue"), ("rule", "stack/Table")]
    reasons = [("rule", ".*/Queue", "It is read by people."), ("rule", ".*/Topic", "It was there once.")]
    assert judged(found, reasons) == (
        "stack/Table: rule",
        "the reason for rule at .*/Topic explains nothing any more: remove it",
    )
