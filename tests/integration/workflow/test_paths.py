"""Every state, transition, retry and catch of every state machine is taken on the local cloud.

The deployment's own runs take what real jobs and services take; the rest is provoked by answers in the format
of Step Functions Local, once per scenario and once per error that a task retries or catches. A report of which
run took which path is written to `build/paths.md`, and a path that none took fails the test.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import botocore.session
import pytest

from tests.integration.workflow.conftest import ROOT, Deployment, until
from tests.integration.workflow.machines import ANY, Machine, Path, deployed, history, retried
from tests.integration.workflow.rollouts import ROLLOUTS
from tests.integration.workflow.scenarios import SCENARIOS, Answers, Scenario, throws, usual

pytestmark = pytest.mark.timeout(600)
REPORT = ROOT / "build" / "paths.md"
ALL = (*SCENARIOS, *ROLLOUTS)
RUN_SECONDS = 60.0
UNCAUGHT = "States.Timeout"
"""An error that any task may meet and none retries."""


@dataclass(frozen=True)
class Run:
    """A mocked execution: the scenario, what it ended with, and its events."""

    scenario: Scenario
    ended: str
    events: Sequence[Any]


class Cloud:
    """Runs scenarios on the deployed state machines."""

    def __init__(self, deployment: Deployment) -> None:
        self.client = deployment.client("stepfunctions")
        self._mocks = deployment.mocks
        self.machines = {each.label: each for each in _machines(self.client)}

    def run(self, scenarios: Sequence[Scenario]) -> list[Run]:
        """Run scenarios side by side."""
        self._mocks.write_text(json.dumps(self._configuration(scenarios)), encoding="utf-8")
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self._run, scenarios))

    def execution(self, scenario: Scenario) -> str:
        """ARN of a scenario's execution."""
        return (
            f"{self.machines[scenario.machine].arn.replace(':stateMachine:', ':execution:')}:{scenario.name}"
        )

    def _configuration(self, scenarios: Sequence[Scenario]) -> dict[str, Any]:
        cases: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        responses = {}
        for scenario in scenarios:
            arn = self.execution(scenario)
            answers = {**usual(scenario.machine, arn), **scenario.answers(arn)}
            names = {state: f"{scenario.name}/{state}" for state in answers}
            cases[self.machines[scenario.machine].name][scenario.name] = names
            for state, steps in answers.items():
                numbered = {str(number): step for number, step in enumerate(steps[:-1])}
                responses[names[state]] = {**numbered, f"{len(steps) - 1}-9999": steps[-1]}
        machines = {name: {"TestCases": tests} for name, tests in cases.items()}
        return {"StateMachines": machines, "MockedResponses": responses}

    def _run(self, scenario: Scenario) -> Run:
        machine = self.machines[scenario.machine]
        arguments = {
            "stateMachineArn": f"{machine.arn}#{scenario.name}",
            "name": scenario.name,
            "input": json.dumps(scenario.start),
        }
        execution = self.execution(scenario)
        if machine.express:
            found = self.client.start_sync_execution(**arguments)
            execution = found["executionArn"]
        else:
            self.client.start_execution(**arguments)
            found = until(lambda: self._ended(execution), RUN_SECONDS, f"the end of {scenario.name}")
        return Run(scenario, found.get("error") or found["status"], history(self.client, execution))

    def _ended(self, execution: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.client.describe_execution(executionArn=execution)
        return None if found["status"] == "RUNNING" else found


def _machines(client: Any) -> Iterator[Machine]:
    for machine in client.list_state_machines()["stateMachines"]:
        found = deployed(client, "", machine["stateMachineArn"])
        if "framework-isComplete-task" in found.states:
            yield replace(found, label="waiter")
        elif "Analyse" in found.states:
            yield replace(found, label="analysis")
        else:
            yield replace(found, label="classification" if found.express else "training")


def faults(machine: Machine, scenario: Scenario, taken: set[Path]) -> Iterator[Scenario]:
    """Make a run per error that a task of this scenario retries or catches: once retried, for good caught."""
    for name in machine.states:
        if Path(machine.label, "state", name) not in taken or machine.states[name]["Type"] != "Task":
            continue
        state = machine.states[name]
        for error in retried(state):
            if error != ANY:
                yield _fault(scenario, name, error, scenario.ends, lasting=False)
        for catcher in state.get("Catch", []):
            error = UNCAUGHT if ANY in catcher["ErrorEquals"] else catcher["ErrorEquals"][0]
            if ANY in catcher["ErrorEquals"] or machine.label == "waiter":
                yield _fault(scenario, name, error, "", lasting=True)
        if not any(ANY in each["ErrorEquals"] for each in state.get("Catch", [])):
            yield _fault(scenario, name, UNCAUGHT, UNCAUGHT, lasting=True)


def _fault(scenario: Scenario, state: str, error: str, ends: str, *, lasting: bool) -> Scenario:
    def answers(arn: str) -> Answers:
        before = {**usual(scenario.machine, arn), **scenario.answers(arn)}
        return {**before, state: [throws(error), *([] if lasting else before[state])]}

    kind = "fails" if lasting else "stumbles"
    name = f"{scenario.name}-{state}-{kind}-{error.replace('.', '-')}"[:80]
    return replace(scenario, name=name, ends=ends, answers=answers)


@pytest.fixture(scope="module")
def cloud(deployment: Deployment) -> Cloud:
    """The deployed machines."""
    return Cloud(deployment)


@pytest.fixture(scope="module")
def runs(cloud: Cloud) -> list[Run]:
    """Run every scenario, then every fault in the first scenario that reaches the task."""
    made = cloud.run(ALL)
    provoked: list[Scenario] = []
    done: dict[str, set[str]] = defaultdict(set)
    for run in made:
        machine = cloud.machines[run.scenario.machine]
        taken = set(machine.taken(run.events))
        states = {path.what for path in taken if path.kind == "state"} - done[machine.label]
        new = {path for path in taken if path.what in states}
        provoked += faults(machine, run.scenario, new)
        done[machine.label] |= states
    return made + cloud.run(provoked)


def test_each_run_ends_as_it_should(runs: list[Run]) -> None:
    wrong = {each.scenario.name: each.ended for each in runs if each.scenario.ends not in ("", each.ended)}
    assert wrong == {}


def test_every_path_is_taken(cloud: Cloud, runs: list[Run]) -> None:
    takers: dict[Path, list[str]] = defaultdict(list)
    for machine in cloud.machines.values():
        for execution in _real(cloud, machine, {run.scenario.name for run in runs}):
            for path in set(machine.taken(history(cloud.client, execution))):
                takers[path].append("the deployment")
    for run in runs:
        for path in set(cloud.machines[run.scenario.machine].taken(run.events)):
            takers[path].append(run.scenario.name)
    paths = sorted(path for machine in cloud.machines.values() for path in machine.paths())
    _report(paths, takers)
    assert set(takers) - set(paths) == set()
    assert [path for path in paths if path not in takers] == []


def _real(cloud: Cloud, machine: Machine, mocked: set[str]) -> Iterator[str]:
    """Yield the executions of which nothing was mocked."""
    for page in cloud.client.get_paginator("list_executions").paginate(stateMachineArn=machine.arn):
        for each in page["executions"]:
            if each["name"] not in mocked:
                yield each["executionArn"]


def _report(paths: Sequence[Path], takers: dict[Path, list[str]]) -> None:
    lines = ["| machine | kind | path | first taken by | runs |", "|---|---|---|---|---|"]
    for path in paths:
        taken = takers.get(path, [])
        lines.append(
            f"| {path.machine} | {path.kind} | {path.what} | {taken[0] if taken else '**none**'} | {len(taken)} |"
        )
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


MOCKED_OPERATIONS = {
    "ReadChampion": ("dynamodb", "GetItem"),
    "ReadSummary": ("s3", "GetObject"),
    "Train": ("sagemaker", "DescribeTrainingJob"),
    "Register": ("sagemaker", "CreateModelPackage"),
    "ReadGuardAlarms": ("cloudwatch", "DescribeAlarms"),
    "FindEndpoint": ("sagemaker", "ListEndpoints"),
    "DescribeEndpoint": ("sagemaker", "DescribeEndpoint"),
    "DescribeHolder": ("stepfunctions", "DescribeExecution"),
    "DescribeRestored": ("sagemaker", "DescribeEndpoint"),
    "DescribePackage": ("sagemaker", "DescribeModelPackage"),
    "FindModel": ("sagemaker", "ListModels"),
    "FindEndpointConfig": ("sagemaker", "ListEndpointConfigs"),
    "FindEndpointToPause": ("sagemaker", "ListEndpoints"),
    "ReadPaused": ("dynamodb", "GetItem"),
    "ReadGate": ("s3", "GetObject"),
    "ReadTags": ("s3", "GetObjectTagging"),
    "ReadRecorded": ("dynamodb", "GetItem"),
    "ReadLock": ("dynamodb", "GetItem"),
}


def test_mocked_answers_have_the_members_that_the_services_have() -> None:
    session = botocore.session.get_session()
    for scenario in ALL:
        answers = {**usual(scenario.machine, "arn"), **scenario.answers("arn")}
        for state, (service, operation) in MOCKED_OPERATIONS.items():
            shape = session.get_service_model(service).operation_model(operation).output_shape
            # Step Functions writes every member with a capital, whatever the service does.
            assert shape is not None
            known = {name[0].upper() + name[1:] for name in shape.members}
            for step in answers.get(state, []):
                assert set(step.get("Return", {})) <= known, (state, step)
