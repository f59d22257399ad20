"""Each permission that a Task needs is missed when it is taken away."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from stacks.checks import permissions, roles
from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import machines
from tests.infra.conftest import ENVIRONMENTS, assembled

FOR_NO_TASK = {
    # Step Functions' own logs and traces.
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:GetLogDelivery"),
    *("logs:DescribeResourcePolicies", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    *("logs:UpdateLogDelivery", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
    *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    # What S3 asks KMS for in the caller's name.
    *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"),
    # CDK's constructs grant it with the jobs'.
    "sagemaker:ListTags",
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def assembly(request: pytest.FixtureRequest) -> Assembly:
    """Each environment."""
    return assembled(request.param)


def test_each_permission_taken_away_is_missed(assembly: Assembly) -> None:
    escaped = {action for action, poorer in _poorer(assembly) if not permissions.check([poorer]).findings}
    assert escaped - FOR_NO_TASK == set()


def _poorer(assembly: Assembly) -> Iterator[tuple[str, Assembly]]:
    """Yield the environment without one action of one machine's role, wherever that is granted."""
    for stack, name, machine in assembly.resources("AWS::StepFunctions::StateMachine"):
        role = machine["Properties"]["RoleArn"]["Fn::GetAtt"][0]
        owned = [
            policy
            for place, policy, resource in assembly.resources("AWS::IAM::Policy")
            if place == stack and {"Ref": role} in resource["Properties"]["Roles"]
        ]
        for action in sorted({each for policy in owned for each in _actions(assembly, stack, policy)}):
            templates: dict[str, Any] = {
                **assembly.templates,
                stack: copy.deepcopy(assembly.templates[stack]),
            }
            for policy in owned:
                for statement in templates[stack]["Resources"][policy]["Properties"]["PolicyDocument"][
                    "Statement"
                ]:
                    actions = statement["Action"]
                    kept = [
                        each
                        for each in (actions if isinstance(actions, list) else [actions])
                        if each != action
                    ]
                    statement["Action"] = kept
            assert name in templates[stack]["Resources"]
            yield action, Assembly(assembly.env, assembly.folder, templates)


def _actions(assembly: Assembly, stack: str, policy: str) -> Iterator[str]:
    document = assembly.templates[stack]["Resources"][policy]["Properties"]["PolicyDocument"]
    for statement in document["Statement"]:
        actions = statement["Action"]
        yield from actions if isinstance(actions, list) else [actions]


def test_a_function_or_role_that_is_not_granted_is_named(assembly: Assembly) -> None:
    stack = next(name for name in assembly.templates if name.endswith("-training"))
    template = copy.deepcopy(assembly.templates[stack])
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Policy":
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Action"] in ("iam:PassRole", "lambda:InvokeFunction"):
                    statement["Resource"] = "arn:aws:iam::123456789012:role/other"
    found = permissions.check([Assembly(assembly.env, assembly.folder, {stack: template})]).findings
    assert any("lacks iam:PassRole on JobsRole" in each for each in found)
    assert any("lacks lambda:InvokeFunction on SmokeTestFunction" in each for each in found)


@pytest.mark.parametrize(
    ("state", "argument", "value", "said"),
    [
        ("ReadGate", "Bucket", "elsewhere", "s3:GetObject on elsewhere/"),
        ("SeedIndex", "Key", "others/index/_", "/others/index/_"),
        ("DescribeEndpoint", "EndpointName", "vehicles", "sagemaker:DescribeEndpoint on endpoint/vehicles"),
        ("ReadChampion", "TableName", "Others", "dynamodb:GetItem on Others"),
    ],
)
def test_a_task_that_asks_for_what_its_role_cannot_reach_is_found(
    assembly: Assembly, state: str, argument: str, value: str, said: str
) -> None:
    (machine,) = [
        each
        for each in machines(assembly, REFERENCE)
        if each.stack.endswith("-training") and each.name.startswith("Workflow")
    ]
    definition = json.loads(machine.definition)
    definition["States"][state]["Arguments"][argument] = value
    template = copy.deepcopy(assembly.templates[machine.stack])
    template["Resources"][machine.name]["Properties"]["DefinitionString"] = json.dumps(definition)
    broken = dataclasses.replace(assembly, templates={**assembly.templates, machine.stack: template})
    assert any(
        f"{state}: the role lacks" in each and said in each for each in permissions.check([broken]).findings
    )


def test_what_is_allowed_on_everything_has_no_resource_by_aws_own_table() -> None:
    """cfn-lint brings a copy of the Service Authorization Reference: actions with the resources they take."""
    table = json.loads((Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text())
    confined = {
        "cloudwatch:putmetricdata"
    }  # by its namespace: its one resource type is newer than this app's metrics
    found = {
        f"{service}:{action}"
        for pattern in roles.WITHOUT_RESOURCE
        for service, wanted in [pattern.lower().split(":")]
        for action, known in table[service]["Actions"].items()
        if fnmatchcase(action, wanted) and known.get("Resources")
    }
    assert found <= confined
