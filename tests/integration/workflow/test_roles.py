"""Every function, state machine and job works in its own role: nothing is denied, and little is allowed in vain.

The local cloud evaluates each role's policies as IAM does, whoever acts. This module runs last in its folder: it
adds the runs that the others leave out, destroys the app, and reads in the log of access what was asked for. A
statement that no call used must have its reason here; `build/roles.md` lists them all.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from localcloud.cdk import run_cdk
from localcloud.instance import ACCOUNT, Instance
from localcloud.inventory import inventory, leftovers
from stacks.checks.roles import USED, role_name
from tests.integration.workflow.conftest import ENV, ROOT, Deployment, until
from tests.integration.workflow.scenarios import throws

pytestmark = pytest.mark.timeout(600)
REPORT = ROOT / "build" / "roles.md"
UNUSED = {
    ("AnalysisWorkflowRole", "sns:Publish"): "It tells of an analysis that failed, and none did for real.",
    ("AnalysisWorkflowRole", "states:startExecution"): (
        "The start of a training is mocked in these tests; tests/integration/loop has it for real."
    ),
    ("AnalysisWorkflowRole", "sagemaker:updateModelPackage"): (
        "No model's first traffic spoke against it; tests/integration/workflow/test_paths.py has the answer mocked."
    ),
    ("PredictionLogRole", "logs:CreateLogStream"): "Firehose logs a delivery that failed, and none did.",
    ("ResultsPublishRole", "sqs:SendMessage"): "Lambda's own, for records that failed to the end: none did.",
    ("TrainOnDeployIsCompleteRole", "sagemaker:StopTrainingJob"): (
        "Step Functions stops the job of a run that is stopped; this is for a job whose run ended before it."
    ),
    (
        "TrainOnDeployStarting",
        "lambda:GetFunction",
    ): "CDK's provider waits with it for a function that is not active.",
    (
        "TrainOnDeployWaiting",
        "lambda:GetFunction",
    ): "CDK's provider waits with it for a function that is not active.",
}
"""Why a statement stays that no call of this deployment used: role and one of the statement's actions."""


@dataclass
class Statement:
    """An Allow statement of a role, and the actions that it was used for."""

    role: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    used: set[str] = field(default_factory=set)

    @property
    def reason(self) -> str:
        """Why it stays though unused; empty when nothing says so."""
        found = (
            why for (role, action), why in UNUSED.items() if role == self.role and action in self.actions
        )
        return next(found, "")


def resources(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Return the type and the name, without its hash, of each resource of the app's stacks, by physical name."""
    client = deployment.client("cloudformation")
    listed = [
        each
        for stack in client.describe_stacks()["Stacks"]
        if stack["StackName"].startswith("scones-")
        for each in client.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]
        # The deployment's own prefix is the name of these, and part of many others.
        if not each["ResourceType"].startswith(("Custom::", "AWS::SageMaker::"))
    ]
    # A queue's physical name is its URL, whose last part its ARN ends in.
    return {
        each["PhysicalResourceId"].rpartition("/")[2]: (
            each["ResourceType"],
            role_name(each["LogicalResourceId"]),
        )
        for each in listed
    }


def used(
    instance: Instance, known: dict[str, str], made: dict[str, tuple[str, str]]
) -> dict[str, dict[str, list[str]]]:
    """Return what each role used its own statements for: actions, and marks by which their resources are known."""
    own = {(each.role, action) for each in statements(instance, known) for action in each.used}
    found: dict[str, dict[str, set[str]]] = {role: {} for role in known.values()}
    for each in instance.accesses():
        role = known.get(each["role"], "")
        if each.get("allowed") and (role, each["action"]) in own:
            found[role].setdefault(each["action"], set()).add(mark(each["resource"], made))
    return {
        role: {action: sorted(marks) for action, marks in sorted(actions.items())}
        for role, actions in found.items()
    }


def mark(arn: str, made: dict[str, tuple[str, str]]) -> str:
    """Return what a statement's resource must hold to be this one: the name in the template, or the kind."""
    named = [
        physical
        for physical in made
        if arn.endswith(physical) or f"{physical}/" in arn or f"{physical}:" in arn
    ]
    if named:
        return made[max(named, key=len)][1]
    if arn == "*":
        return ""
    kind = re.match(r"[\w-]*[/:]?", arn.split(":", 5)[5])
    return kind[0].partition(f"-{ACCOUNT}")[0] if kind else ""


def statements(instance: Instance, known: dict[str, str]) -> list[Statement]:
    """Return every Allow statement of the roles that acted, with what it was used for."""
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], set[str]] = defaultdict(set)
    for each in instance.accesses():
        if "used" in each and each["role"] in known:
            key = (known[each["role"]], tuple(each["Action"]), tuple(each["Resource"]))
            found[key] |= {each["used"]} - {""}
    return [Statement(*key, used) for key, used in sorted(found.items())]


def ended(deployment: Deployment, case: str = "") -> dict[str, Any]:
    """Run the training workflow to its end, in a test case of it if one is named."""
    client = deployment.client("stepfunctions")
    machine = deployment.outputs["TrainingStateMachineArn"] + (f"#{case}" if case else "")
    arn = client.start_execution(stateMachineArn=machine, input="{}")["executionArn"]

    def found() -> dict[str, Any] | None:
        shown: dict[str, Any] = client.describe_execution(executionArn=arn)
        return None if shown["status"] == "RUNNING" else shown

    return until(found, 300, "the end of the run")


def test_a_run_that_fails_tells_the_topic_in_its_role(deployment: Deployment) -> None:
    machine = deployment.outputs["TrainingStateMachineArn"].rpartition(":")[2]
    # Only the job is mocked: what follows its failure is real.
    mocks = {
        "StateMachines": {machine: {"TestCases": {"no-job": {"Stage": "refused"}}}},
        "MockedResponses": {"refused": {"0": throws("SageMaker.ResourceLimitExceededException")}},
    }
    deployment.mocks.write_text(json.dumps(mocks))
    run = ended(deployment, "no-job")
    assert (run["status"], run["error"]) == ("FAILED", "SageMaker.ResourceLimitExceededException")


@pytest.fixture(scope="module")
def destroyed(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Destroy the app, in its roles too, and return what it was made of."""
    made = resources(deployment)
    arguments = ["destroy", "--all", "--force", "-c", f"env={ENV}", "-c", f"settings={deployment.overlay}"]
    run_cdk(deployment.instance, arguments, project=ROOT, output=deployment.assembly.parent / "destroy")
    return made


@pytest.fixture
def _everything_ran(request: pytest.FixtureRequest) -> None:
    folder = request.path.parent
    ran = {item.path.name for item in request.session.items if item.path.parent == folder}
    if left := {path.name for path in folder.glob("test_*.py")} - ran:
        pytest.skip(
            f"who uses what shows only after all tests of this folder: run {', '.join(sorted(left))} too"
        )


@pytest.mark.usefixtures("destroyed")
def test_nothing_is_denied(deployment: Deployment) -> None:
    assert deployment.instance.denials() == []
    scaled = deployment.client("application-autoscaling")
    assert scaled.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


@pytest.mark.usefixtures("destroyed")
def test_nothing_is_left(deployment: Deployment) -> None:
    assert leftovers(deployment.before, inventory(deployment.instance)) == []


@pytest.mark.usefixtures("_everything_ran")
def test_each_role_acts_and_each_permission_is_used_or_reasoned(
    deployment: Deployment, destroyed: dict[str, tuple[str, str]]
) -> None:
    made = destroyed
    known = {physical: name for physical, (kind, name) in made.items() if kind == "AWS::IAM::Role"}
    found = statements(deployment.instance, known)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(found), encoding="utf-8")
    assert set(known.values()) - {each.role for each in found} == set()
    assert [f"{each.role}: {each.actions}" for each in found if not each.used and not each.reason] == []
    unused = [each for each in found if not each.used]
    recorded = used(deployment.instance, known, made)
    written = ROOT / "build" / USED.name
    written.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert recorded == json.loads(USED.read_text(encoding="utf-8")), f"copy {written} over {USED}"
    stale = [
        key for key in UNUSED if not any(each.role == key[0] and key[1] in each.actions for each in unused)
    ]
    assert stale == []


def report(found: list[Statement]) -> str:
    """List every statement: who has it, what it was used for, or why it stays."""
    rows = [
        f"| {each.role} | {', '.join(each.actions)} | {', '.join(sorted(each.used)) or each.reason or '**unused**'} |"
        for each in found
    ]
    used = sum(1 for each in found if each.used)
    return "\n".join(
        (
            "# What the roles were allowed, and what they used",
            "",
            f"{len(found)} statements, {used} used, {len(found) - used} not.",
            "",
            "| role | allowed | used for |",
            "|---|---|---|",
            *rows,
            "",
        )
    )
