"""Which deployment a command talks to: on AWS or in a local cloud, with the same code."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scones.errors import NotDeployedError, TargetError

if TYPE_CHECKING:
    from localcloud.instance import Instance

ROOT = Path(__file__).resolve().parents[1]
LOCAL = ROOT / "build" / "local"
DEFAULT_INSTANCE = "default"
Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Target:
    """A deployment and the way to its services.

    Attributes
    ----------
    name, env, classifier
        What its stacks are called by.
    clients
        Returns a boto3 client for a service.
    where
        The cloud, in words.
    """

    name: str
    env: str
    classifier: str
    clients: Clients
    where: str

    @property
    def deployment(self) -> str:
        """What sets the deployment apart from others in the account."""
        return f"{self.name}-{self.env}"

    @property
    def prefix(self) -> str:
        """What every name of the classifier begins with; the endpoint's name."""
        return f"{self.deployment}-{self.classifier}"

    @property
    def stacks(self) -> tuple[str, str, str]:
        """The stacks, in the order they are deployed."""
        return (f"{self.deployment}-data", f"{self.prefix}-training", f"{self.prefix}-classification")

    def outputs(self, *stacks: str) -> dict[str, str]:
        """Return the outputs of these stacks; of all of them when none is named.

        Raises
        ------
        NotDeployedError
        """
        found: dict[str, str] = {}
        for stack in stacks or self.stacks:
            described = self.describe(stack)
            if described is None:
                raise self.lacks(stack)
            found |= {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        return found

    def lacks(self, stack: str) -> NotDeployedError:
        """Return what is to be said where there is no such stack."""
        return NotDeployedError(
            f"There is no stack {stack} on {self.where}: deploy it, or choose another deployment "
            "with --name, --env and --classifier."
        )

    def describe(self, stack: str) -> dict[str, Any] | None:
        """Return CloudFormation's description of a stack, if there is one."""
        from botocore.exceptions import ClientError  # noqa: PLC0415  # `--help` need not pay for it

        try:
            answer: dict[str, Any] = self.clients("cloudformation").describe_stacks(StackName=stack)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return next(iter(answer["Stacks"]), None)


def output(outputs: dict[str, str], key: str) -> str:
    """Return one output, or say which stack lacks it."""
    try:
        return outputs[key]
    except KeyError:
        raise NotDeployedError(
            f"The stacks have no output {key}: their deployment has not ended, or failed; wait for its end, or run "
            "`cdk deploy --all` again."
        ) from None


def instance_directory(name: str) -> Path:
    """Return the folder of a local cloud; a name is a folder below `build/local`."""
    if not name or "/" in name or name.startswith("."):
        raise TargetError(f"The instance name {name!r} cannot be used: give one plain word.")
    return LOCAL / name


def of_instance(instance: Instance, *, name: str, env: str, classifier: str) -> Target:
    """Return a deployment in a local cloud."""
    where = f"the local cloud {instance.directory.name} ({instance.endpoint_url})"
    return Target(name, env, classifier, _cached(instance.client), where)


def choose(*, name: str, env: str, classifier: str, local: bool | None, instance: str | None) -> Target:
    """Choose the cloud.

    Parameters
    ----------
    name, env, classifier
        What the deployment's stacks are called by.
    local
        True for a local cloud, False for AWS, None to let what is there decide: AWS when AWS_PROFILE
        or AWS_ACCESS_KEY_ID is set, else the default local cloud if it runs, else AWS.
    instance
        Name of a local cloud; naming one means a local one.

    Raises
    ------
    TargetError, NotRunningError
    """
    if instance is not None and local is False:
        raise TargetError("--aws and --instance exclude each other: give one of them.")
    aws = Target(name, env, classifier, _cached(_aws_client), "AWS")
    if local is False:
        return aws
    # `--help` need not pay for psutil, and AWS need not have it.
    from localcloud.errors import NotRunningError  # noqa: PLC0415

    try:
        from localcloud.instance import Instance  # noqa: PLC0415
    except ModuleNotFoundError:
        if local or instance is not None:
            raise
        return aws
    named = {"name": name, "env": env, "classifier": classifier}
    if local or instance is not None:
        return of_instance(Instance.load(instance_directory(instance or DEFAULT_INSTANCE)), **named)
    if local is None and not (os.environ.get("AWS_PROFILE") or os.environ.get("AWS_ACCESS_KEY_ID")):
        try:
            return of_instance(Instance.load(LOCAL / DEFAULT_INSTANCE), **named)
        except NotRunningError:
            pass
    return aws


def _aws_client(service: str) -> Any:
    import boto3  # noqa: PLC0415  # takes 0.2 s
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(  # type: ignore[call-overload]
        service,
        # `cdk deploy` reads this variable, and boto3 only AWS_DEFAULT_REGION: both must mean one region.
        region_name=os.environ.get("AWS_REGION"),
        config=Config(retries={"total_max_attempts": 6, "mode": "standard"}),
    )


def _cached(make: Clients) -> Clients:
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = make(service)
        return made[service]

    return client
