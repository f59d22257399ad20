"""Synthesizes each environment once; every test reads the same templates."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from stacks.checks import assemblies

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("dev", "prod")
OWN = Path(__file__).parents[1] / "environments"
"""Environments of the tests' own, so that whoever changes `environments/` meets no test of another setting."""


@dataclass(frozen=True)
class Synthesized:
    """The templates of one environment, by the last part of their stacks' names."""

    env: str
    templates: dict[str, dict[str, Any]]
    folder: Path

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the resources of a type, in any stack, with their logical IDs."""
        for template in self.templates.values():
            for name, resource in template["Resources"].items():
                if resource["Type"] == kind:
                    yield name, resource

    def statements(self) -> Iterator[dict[str, Any]]:
        """Yield every statement of every identity policy."""
        for _, policy in self.resources("AWS::IAM::Policy"):
            yield from policy["Properties"]["PolicyDocument"]["Statement"]

    def machine(self, stack: str) -> dict[str, Any]:
        """Return the definition of a stack's own state machine, with references as `REF`."""
        for resource in self.templates[stack]["Resources"].values():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                definition = resource["Properties"]["DefinitionString"]
                text = definition if isinstance(definition, str) else _joined(definition)
                parsed: dict[str, Any] = json.loads(text)
                if parsed.get("QueryLanguage") == "JSONata":
                    return parsed
        raise LookupError(stack)


def _joined(definition: dict[str, Any]) -> str:
    return "".join(part if isinstance(part, str) else "REF" for part in definition["Fn::Join"][1])


@functools.cache
def assembled(env: str, overlay: Path | None = None) -> assemblies.Assembly:
    """Synthesize one of the tests' environments as the CLI would."""
    return assemblies.synthesize(env, overlay=overlay, settings=OWN)


@functools.cache
def shipped(env: str) -> assemblies.Assembly:
    """Synthesize an environment as it is deployed."""
    return assemblies.synthesize(env)


@functools.cache
def synthesize(env: str, overlay: Path | None = None) -> Synthesized:
    """Return one environment's templates by the parts that they are of it."""
    assembly = assembled(env, overlay)
    templates = {re.sub(r"^.*-", "", name): dict(each) for name, each in assembly.templates.items()}
    return Synthesized(env, templates, assembly.folder)


OVERLAY = """
alarm_emails = ["on-call@example.com"]
permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
[tags]
cost-centre = "1234"
[classifier.vehicles.data]
kind = "s3"
uri = "s3://somebodys-pictures/vehicles/"
[classifier.vehicles.training]
at_deploy = false
max_runtime_minutes = 120
instance_count = 2
[classifier.vehicles.training.hyperparameters]
epochs = 5
learning_rate = 0.001
[classifier.vehicles.serving]
instance_count = 3
[classifier.vehicles.serving.scaling]
minimum_instances = 3
maximum_instances = 6
target_concurrency = 4
scale_out_cooldown_seconds = 120
scale_in_cooldown_seconds = 900
night = {start = "22:30", end = "06:05", minimum_instances = 2, timezone = "Europe/Berlin"}
[classifier.vehicles.limits]
concurrency = 40
[classifier.vehicles.review]
sample_rate = 0.5
"""


@pytest.fixture(scope="session")
def overlaid(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """`dev` with every optional setting used."""
    path = tmp_path_factory.mktemp("settings") / "overlay.toml"
    path.write_text(OVERLAY)
    return synthesize("dev", path)


@pytest.fixture(params=ENVIRONMENTS)
def synthesized(request: pytest.FixtureRequest) -> Synthesized:
    """Each environment in turn."""
    return synthesize(request.param)


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    # jsii talks to Node through pipes, so nothing here needs a socket.
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
