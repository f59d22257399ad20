"""Every check finds nothing in the environments that are deployed, and has looked at something."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stacks.checks import __main__ as table_of_checks
from stacks.checks import (
    arguments,
    between,
    connections,
    demands,
    functions,
    language,
    mutations,
    nag,
    names,
    openness,
    permissions,
    roles,
    safeguards,
)
from stacks.checks.__main__ import CHECKS, main
from stacks.checks.assemblies import Assembly, environments, synthesize
from stacks.checks.result import Check
from stacks.constructs import owned_function
from tests.infra.conftest import OWN as SETTINGS
from tests.infra.conftest import assembled, shipped

OWN = """
name = "corner-shop"
classifiers = ["scone-defects", "vehicles"]
alarm_emails = ["ops@example.com", "owner@example.com"]
permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
[tags]
cost-centre = "1234"
[classifier.scone-defects.data]
kind = "s3"
uri = "s3://corner-shop-pictures/scones/"
[classifier.scone-defects.training]
max_runtime_minutes = 7
[classifier.scone-defects.training.search]
trials = 4
parallel = 2
[classifier.scone-defects.training.search.ranges]
learning-rate = { minimum = 0.0003, maximum = 0.003, scale = "log" }
epochs = { minimum = 5, maximum = 20 }
frozen-blocks = { values = [0, 3] }
[classifier.scone-defects.monitoring]
every_hours = 6
window_images = 500
minimum_images = 100
window_hours = 72
quiet_hours = 0
retrain = false
roll_back = false
cooldown_hours = 48
enough_reviews = 20
retrain_every_days = 0
monthly_budget = 0
[classifier.scone-defects.review]
sample_rate = 0.5
[classifier.vehicles.monitoring]
every_hours = 2
quiet_hours = 6
retrain_every_days = 7
monthly_budget = 50
"""
"""Every kind of setting that the environments leave off, on; two classifiers side by side."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__.rpartition(".")[2])
def test_a_check_finds_nothing_in_what_is_deployed(check: Check) -> None:
    result = check([shipped(env) for env in environments()])
    assert result.findings == ()
    assert result.count > 0


def test_the_checks_find_nothing_under_settings_of_ones_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_of_checks, "synthesize", functools.partial(synthesize, settings=SETTINGS))
    overlay = tmp_path / "own.toml"
    overlay.write_text(OWN)
    status = main(["--env", "prod", "--settings", str(overlay)])
    printed = capfd.readouterr()
    assert (status, printed.err) == (0, ""), printed.out + printed.err
    assert printed.out.count("\n") == 1 + len(CHECKS)


@pytest.mark.parametrize(
    "overlay",
    [
        "[classifier.vehicles.monitoring]\nretrain = false",
        "[classifier.vehicles.serving.scaling]\nminimum_instances = 2\nmaximum_instances = 4\ntarget_concurrency = 4",
        'classifiers = ["vehicles", "scone-defects"]\n[classifier.vehicles.serving]\nshadow = true\n'
        "[classifier.vehicles.serving.scaling]\nminimum_instances = 2\nmaximum_instances = 4\ntarget_concurrency = 4",
    ],
)
def test_roles_are_asked_for_what_their_own_settings_take(tmp_path: Path, overlay: str) -> None:
    (tmp_path / "own.toml").write_text(overlay)
    assembly = synthesize("prod", overlay=tmp_path / "own.toml", settings=SETTINGS)
    for each in (roles, permissions):
        assert each.check([assembly]).findings == ()
    counted = {each.count for each in demands.demands(assembly) if each.use == "endpoint"}
    # A shadow is one more than scaling takes at the most, and the other classifier has two.
    assert counted == ({4 + 1 + 2} if "shadow" in overlay else {4} if "scaling" in overlay else {2})


def test_a_module_that_a_functions_package_lacks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    less = tuple(each for each in owned_function.SHARED if each != "lambda_src/naming.py")
    monkeypatch.setattr(owned_function, "SHARED", less)
    findings = functions.check([synthesize("dev", settings=SETTINGS)]).findings
    assert len(findings) == 3
    assert all("it imports lambda_src.naming, which its package lacks" in each for each in findings)


def test_reasons_of_other_environments_are_not_called_stale() -> None:
    assert nag.check([assembled("prod")]).findings == ()


def test_a_custom_resources_call_is_held_against_the_services_model() -> None:
    def found(call: dict[str, object]) -> list[str]:
        return list(arguments.of_custom(call))

    sound: dict[str, object] = {
        "service": "SageMaker",
        "action": "listEndpoints",
        "parameters": {"NameContains": "a"},
    }
    assert found(sound) == []
    assert found({**sound, "service": "@aws-sdk/client-sagemaker", "action": "ListEndpointsCommand"}) == []
    assert found({**sound, "service": "SageMakr"}) == ["there is no service 'SageMakr'"]
    assert found({**sound, "action": "listEndpointz"}) == ["there is no operation SageMaker:listEndpointz"]
    assert "NameContain" in found({**sound, "parameters": {"NameContain": "a"}})[0]
    assert "NameContains" in found({**sound, "parameters": {"NameContains": 1}})[0]
    deletion: dict[str, object] = {"service": "SageMaker", "action": "deleteEndpoint"}
    assert found({**deletion, "parameters": {"EndpointName": "a"}}) == []
    for name in ("not a name!!", "a" * 200):
        assert "EndpointName" in found({**deletion, "parameters": {"EndpointName": name}})[0]
    assert "EndpointName" in found({**deletion, "parameters": {}})[0]
    update = {"TableName": "table", "BillingMode": "FREE"}
    assert "BillingMode" in found({"service": "DynamoDB", "action": "updateTable", "parameters": update})[0]


Edit = Callable[[dict[str, Any]], None]


def _first(template: dict[str, Any], kind: str, name: str = "") -> dict[str, Any]:
    resources = template["Resources"].items()
    found: dict[str, Any] = next(
        each["Properties"] for key, each in resources if each["Type"] == kind and key.startswith(name)
    )
    return found


def _managed_key(template: dict[str, Any]) -> None:
    _first(template, "AWS::SNS::Topic")["KmsMasterKeyId"] = "alias/aws/sns"


def _logs_under_a_key(template: dict[str, Any]) -> None:
    rules = _first(template, "AWS::S3::Bucket", "AccessLogs")["BucketEncryption"]
    rules["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"] = "aws:kms"


def _another_source(template: dict[str, Any]) -> None:
    trust = _first(template, "AWS::IAM::Role", "WorkflowRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Condition"]["ArnLike"]["aws:SourceArn"] = "arn:aws:states:*:*:stateMachine/*"


def _a_stranger_starts(template: dict[str, Any]) -> None:
    trust = _first(template, "AWS::IAM::Role", "Starter")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"]["Service"] = "ec2.amazonaws.com"


def _trust_for_two(template: dict[str, Any]) -> None:
    trust = _first(template, "AWS::IAM::Role", "WorkflowRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"]["Service"] = ["states.amazonaws.com", "glue.amazonaws.com"]


def _every_action(template: dict[str, Any]) -> None:
    _first(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"][0]["Action"] = "s3:?*"


def _an_old_tls(template: dict[str, Any]) -> None:
    statements = _first(template, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    statements[:] = [each for each in statements if "s3:TlsVersion" not in json.dumps(each)]


def _plain_http_of_one(template: dict[str, Any]) -> None:
    statements = _first(template, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    (refused,) = (each for each in statements if each["Effect"] == "Deny")
    refused["Principal"] = {"AWS": "999999999999"}


def _plain_http_to_list(template: dict[str, Any]) -> None:
    for each in _first(template, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]:
        if each["Effect"] == "Deny":
            each["Action"] = "s3:ListBucket"


def _logs_of_no_name(template: dict[str, Any]) -> None:
    del _first(template, "AWS::Logs::LogGroup", "WorkflowLogs")["LogGroupName"]


def _captured_elsewhere(template: dict[str, Any]) -> None:
    policy = _first(template, "AWS::IAM::Policy", "EndpointRole")["PolicyDocument"]
    for statement in policy["Statement"]:
        if "/shadow/" in json.dumps(statement["Resource"]):
            statement["Resource"] = json.loads(
                json.dumps(statement["Resource"]).replace("/shadow/", "/shade/")
            )


def _text_for_fields(template: dict[str, Any]) -> None:
    _first(template, "AWS::Events::Rule")["EventPattern"]["detail"] = "bucket"


@pytest.mark.parametrize(
    ("stack", "edit", "check", "said"),
    [
        ("training", _managed_key, connections, "does not let cloudwatch.amazonaws.com use it"),
        ("data", _logs_under_a_key, connections, "only where SSE-S3 is the default"),
        ("training", _trust_for_two, roles, "glue.amazonaws.com and states.amazonaws.com: a role is for one"),
        ("monitoring", _a_stranger_starts, roles, "its target's role does not trust events.amazonaws.com"),
        ("training", _every_action, roles, "it allows s3:?*"),
        ("data", _an_old_tls, safeguards, "versions of TLS before 1.2"),
        ("classification", _plain_http_of_one, safeguards, "requests without TLS"),
        ("data", _plain_http_to_list, safeguards, "requests without TLS"),
        ("training", _logs_of_no_name, safeguards, "takes room in a policy that has 5,120 characters"),
        ("classification", _text_for_fields, connections, 'asks for "bucket", where events have fields'),
        ("training", _captured_elsewhere, roles, "may not write what is captured below shadow/vehicles"),
        ("training", _another_source, roles, "its role does not trust states.amazonaws.com"),
    ],
)
def test_what_a_service_is_kept_from_is_found(
    assemblies: list[Assembly], stack: str, edit: Edit, check: Any, said: str
) -> None:
    sound = next(each for each in assemblies if each.env == "dev")
    name = next(each for each in sound.templates if each.endswith(stack))
    template = copy.deepcopy(dict(sound.templates[name]))
    edit(template)
    broken = dataclasses.replace(sound, templates={**sound.templates, name: template})
    assert any(said in each for each in check.check([broken]).findings)


def test_a_key_that_is_not_the_tables_is_found(assemblies: list[Assembly]) -> None:
    sound = next(each for each in assemblies if each.env == "dev")
    name = next(each for each in sound.templates if each.endswith("training"))
    tables = [
        each
        for each in sound.templates[name]["Resources"].values()
        if each["Type"] in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
    ]
    assert len(tables) == 1
    template = copy.deepcopy(dict(sound.templates[name]))
    for each in template["Resources"].values():
        if each["Type"] == tables[0]["Type"]:
            each["Properties"]["KeySchema"][0]["AttributeName"] = "ID"
    broken = dataclasses.replace(sound, templates={name: template})
    assert any("the table's key is ID" in each for each in between.check([broken]).findings)


def test_a_check_that_stumbles_is_a_row_and_the_others_are_asked(
    assemblies: list[Assembly], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = next(each for each in assemblies if each.env == "dev")
    name = next(each for each in sound.templates if each.endswith("training"))
    template = copy.deepcopy(dict(sound.templates[name]))
    role = _first(template, "AWS::IAM::Role")
    del role["AssumeRolePolicyDocument"]["Statement"][0]["Effect"]
    broken = dataclasses.replace(sound, templates={**sound.templates, name: template})
    monkeypatch.setattr(table_of_checks, "CHECKS", (openness.check, roles.check, names.fixed))
    monkeypatch.setattr(table_of_checks, "synthesize", lambda *_, **__: broken)
    assert main(["--env", "dev"]) == 1
    printed = capfd.readouterr().out
    assert "roles: it stumbled (KeyError: 'Effect', in trusts.py, line" in printed
    assert (
        len([line for line in printed.splitlines() if line.split("  ")[0] in ("openness", "roles", "names")])
        == 3
    )


@pytest.mark.parametrize("run", [main, mutations.main])
def test_one_sentence_says_what_to_install(
    run: Callable[[Sequence[str]], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(language, "PACKAGES", tmp_path)
    assert run(["--env", "dev"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "error: Node.js or asl-validator is not installed: run `make setup-dev`.\n"
