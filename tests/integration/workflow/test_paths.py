"""Every state, transition, retry and catch of every state machine is taken on the local cloud.

The deployment's own runs take what real jobs and services take; the rest is provoked by answers in the format
of Step Functions Local, once per scenario and once per error that a task retries or catches. The deployment
scales its endpoint, as no environment does that is shipped, and searches for nothing: the machines of those, and
of a search, are created beside it and provoked likewise, each for itself, for nothing counts there because it was
taken here. A report of which run took which path is written to `build/paths.md`, and a path that none took fails
the test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import botocore.session
import pytest

from tests.integration.workflow import variants
from tests.integration.workflow.conftest import ROOT, Deployment
from tests.integration.workflow.machines import Path, described, history
from tests.integration.workflow.rollouts import ROLLOUTS
from tests.integration.workflow.runs import Cloud, Run
from tests.integration.workflow.scenarios import SCENARIOS, usual

pytestmark = pytest.mark.timeout(600)
REPORT = ROOT / "build" / "paths.md"
ALL = (*SCENARIOS, *ROLLOUTS)


@pytest.fixture(scope="module")
def clouds(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cloud]]:
    """Return the deployed machines, and those of other settings."""
    client = deployment.client("stepfunctions")
    listed = client.list_state_machines()["stateMachines"]
    deployed = [described(client, each["stateMachineArn"]) for each in listed]
    with variants.standing(deployment, tmp_path_factory.mktemp("variants")) as others:
        yield [Cloud(deployment, *each) for each in [("deployed", deployed), *others.items()]]


@pytest.fixture(scope="module")
def runs(clouds: list[Cloud]) -> dict[str, list[Run]]:
    """Run every scenario and every fault on each."""
    return {each.variant: each.provoke(ALL) for each in clouds}


def test_each_run_ends_as_it_should(runs: dict[str, list[Run]]) -> None:
    ended = [(variant, each) for variant, made in runs.items() for each in made]
    wrong = {
        (variant, each.scenario.name): each.ended
        for variant, each in ended
        if each.scenario.ends not in ("", each.ended)
    }
    assert wrong == {}
    assert {each.name for each in ALL} - {each.scenario.name for _, each in ended} == set()


def test_every_path_is_taken(clouds: list[Cloud], runs: dict[str, list[Run]]) -> None:
    found = {each.variant: _takers(each, runs[each.variant]) for each in clouds}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(_report(found), encoding="utf-8")
    unreached = [(variant, path) for variant, paths in found.items() for path in paths if not paths[path]]
    assert unreached == []


def _takers(cloud: Cloud, runs: Sequence[Run]) -> dict[Path, list[str]]:
    """Return every path of these machines with the runs that took it."""
    takers: dict[Path, list[str]] = {
        path: [] for path in sorted(path for machine in cloud.machines.values() for path in machine.paths())
    }
    for machine, execution in cloud.unmocked(runs):
        for path in set(machine.taken(history(cloud.client, execution))):
            takers[path].append("the deployment")
    for run in runs:
        for path in run.taken:
            takers[path].append(run.scenario.name)
    return takers


def _report(found: Mapping[str, Mapping[Path, Sequence[str]]]) -> str:
    lines = ["| settings | paths | taken |", "|---|---|---|"]
    for variant, paths in found.items():
        lines.append(f"| {variant} | {len(paths)} | {sum(map(bool, paths.values()))} |")
    lines += ["", "| settings | machine | kind | path | first taken by | runs |", "|---|---|---|---|---|---|"]
    for variant, paths in found.items():
        for path, taken in paths.items():
            first = taken[0] if taken else "**none**"
            lines.append(
                f"| {variant} | {path.machine} | {path.kind} | {path.what} | {first} | {len(taken)} |"
            )
    return "\n".join(lines) + "\n"


MOCKED_OPERATIONS = {
    "ReadChampion": ("dynamodb", "GetItem"),
    "ReadSummary": ("s3", "GetObject"),
    "Train": ("sagemaker", "DescribeTrainingJob"),
    "Search": ("sagemaker", "DescribeHyperParameterTuningJob"),
    "ReadBest": ("sagemaker", "DescribeTrainingJob"),
    "Register": ("sagemaker", "CreateModelPackage"),
    "ReadGuardAlarms": ("cloudwatch", "DescribeAlarms"),
    "FindEndpoint": ("sagemaker", "ListEndpoints"),
    "DescribeEndpoint": ("sagemaker", "DescribeEndpoint"),
    "DescribeHolder": ("stepfunctions", "DescribeExecution"),
    "DescribeRestored": ("sagemaker", "DescribeEndpoint"),
    "DescribePackage": ("sagemaker", "DescribeModelPackage"),
    "DescribeChampion": ("sagemaker", "DescribeModelPackage"),
    "DescribePredecessor": ("sagemaker", "DescribeModelPackage"),
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
