"""The state machines of settings other than the deployment's, for runs of which every answer is mocked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.instance import ACCOUNT, REGION
from stacks.checks.assemblies import Assembly, environments, synthesize
from stacks.checks.rendering import Place, machines
from tests.infra.conftest import shipped
from tests.integration.workflow.conftest import CLASSIFIER, ENV, PREFIX, Deployment
from tests.integration.workflow.machines import Machine, described

SEARCH = """
[classifier.vehicles.training]
max_runtime_minutes = 7
[classifier.vehicles.training.search]
trials = 2
parallel = 1
[classifier.vehicles.training.search.ranges.learning-rate]
minimum = 0.0005
maximum = 0.003
scale = "log"
[classifier.vehicles.training.search.ranges.frozen-blocks]
values = [0, 3]
"""
ROLE = "variants"
TRUST = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}


def assemblies(folder: Path) -> Iterator[tuple[str, Assembly]]:
    """Yield what the shipped settings make, and what they make with a search for hyperparameters."""
    for env in environments():
        yield env, shipped(env)
    overlay = folder / "search.toml"
    overlay.write_text(SEARCH)
    yield f"{ENV}-search", synthesize(ENV, overlay=overlay)


@contextmanager
def standing(deployment: Deployment, folder: Path) -> Iterator[dict[str, list[Machine]]]:
    """Create the state machines of each variant and no more of it; remove them in the end."""
    client, iam = deployment.client("stepfunctions"), deployment.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    # It allows nothing: a task that no answer is mocked for would be denied.
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    made: dict[str, list[Machine]] = {}
    try:
        for variant, assembly in assemblies(folder):
            made[variant] = []
            prefix = f"scones-{assembly.env}-{CLASSIFIER}"
            for number, machine in enumerate(machines(assembly, Place(REGION, ACCOUNT))):
                if not machine.stack.startswith(prefix):
                    continue
                arn = client.create_state_machine(
                    name=f"{variant}-{number}",
                    # What is mocked has the names of the deployment.
                    definition=machine.definition.replace(prefix, PREFIX),
                    roleArn=role,
                    type=machine.kind,
                )["stateMachineArn"]
                made[variant].append(described(client, arn))
        yield made
    finally:
        for each in (machine for several in made.values() for machine in several):
            client.delete_state_machine(stateMachineArn=each.arn)
        iam.delete_role(RoleName=ROLE)
