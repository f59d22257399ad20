"""Runs on mocked answers: of every scenario, and of every error that a task of theirs retries or catches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from tests.integration.workflow.conftest import Deployment, until
from tests.integration.workflow.machines import ANY, Machine, Path, history, retried
from tests.integration.workflow.scenarios import Answers, Scenario, throws, usual

RUN_SECONDS = 60.0
AT_ONCE = 8
"""Runs: the client keeps ten connections."""
UNCAUGHT = "States.Timeout"
"""An error that any task may meet and none retries."""


@dataclass(frozen=True)
class Run:
    """A mocked execution: the scenario, what it ended with, and the paths that it took."""

    scenario: Scenario
    ended: str
    taken: frozenset[Path]


class Cloud:
    """Runs scenarios on the state machines of one choice of settings, which `variant` names."""

    def __init__(self, deployment: Deployment, variant: str, machines: Sequence[Machine]) -> None:
        self.client = deployment.client("stepfunctions")
        self.variant = variant
        self.machines = {each.label: each for each in machines}
        self._mocks = deployment.mocks

    def provoke(self, scenarios: Sequence[Scenario]) -> list[Run]:
        """Run every scenario that fits, then every fault in the first one that reaches the task."""
        made = self._run_all([each for each in scenarios if self._fits(each)])
        provoked: list[Scenario] = []
        done: set[Path] = set()
        for run in made:
            new = {path for path in run.taken if path.kind == "state"} - done
            provoked += _faults(self.machines[run.scenario.machine], run.scenario, new)
            done |= new
        return made + self._run_all(provoked)

    def unmocked(self, runs: Sequence[Run]) -> Iterator[tuple[Machine, str]]:
        """Yield the executions besides these runs."""
        mocked = {run.scenario.name for run in runs}
        for machine in self.machines.values():
            for page in self.client.get_paginator("list_executions").paginate(stateMachineArn=machine.arn):
                for each in page["executions"]:
                    if each["name"] not in mocked:
                        yield machine, each["executionArn"]

    def _fits(self, scenario: Scenario) -> bool:
        """Say whether the machine has what the scenario is about: others have no scaling, or a search."""
        return scenario.answers("").keys() <= self.machines[scenario.machine].states.keys()

    def _run_all(self, scenarios: Sequence[Scenario]) -> list[Run]:
        self._mocks.write_text(json.dumps(self._configuration(scenarios)), encoding="utf-8")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._run, scenarios))

    def _configuration(self, scenarios: Sequence[Scenario]) -> dict[str, Any]:
        cases: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        responses = {}
        for scenario in scenarios:
            machine = self.machines[scenario.machine]
            arn = _execution(machine, scenario)
            answers = {**usual(scenario.machine, arn), **scenario.answers(arn)}
            # Machines may run cases of the same name.
            names = {state: f"{machine.name}/{scenario.name}/{state}" for state in answers}
            cases[machine.name][scenario.name] = names
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
        execution = _execution(machine, scenario)
        if machine.express:
            found = self.client.start_sync_execution(**arguments)
            execution = found["executionArn"]
        else:
            self.client.start_execution(**arguments)
            found = until(lambda: self._ended(execution), RUN_SECONDS, f"the end of {scenario.name}")
        taken = machine.taken(history(self.client, execution))
        return Run(scenario, found.get("error") or found["status"], frozenset(taken))

    def _ended(self, execution: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.client.describe_execution(executionArn=execution)
        return None if found["status"] == "RUNNING" else found


def _execution(machine: Machine, scenario: Scenario) -> str:
    return f"{machine.arn.replace(':stateMachine:', ':execution:')}:{scenario.name}"


def _faults(machine: Machine, scenario: Scenario, reached: set[Path]) -> Iterator[Scenario]:
    """Make a run per error that a task of this scenario retries or catches: once retried, for good caught."""
    for name in machine.states:
        if Path(machine.label, "state", name) not in reached or machine.states[name]["Type"] != "Task":
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
