"""Templates with plausible values in place of what only a deployment knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.checks.assemblies import Assembly

_SERVICES = {
    "AWS::CloudWatch::Alarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
}
_REF_IS_ARN = ("AWS::SNS::Topic",)
INNER = ("Branches", "ItemProcessor", "Iterator")
"""Where a state has states of its own."""


class RenderingError(Exception):
    """A template holds something that has no value in the place it is rendered for."""


@dataclass(frozen=True)
class Place:
    """Where a template is imagined to be deployed."""

    region: str
    account: str = "123456789012"
    partition: str = "aws"
    suffix: str = "amazonaws.com"

    @property
    def pseudo(self) -> dict[str, str]:
        """CloudFormation's pseudo parameters."""
        return {
            "AWS::AccountId": self.account,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::URLSuffix": self.suffix,
        }


@dataclass(frozen=True)
class Machine:
    """A state machine of a template: its stack, logical ID, type (STANDARD, EXPRESS) and definition."""

    stack: str
    name: str
    kind: str
    definition: str

    def states(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name and the content of every state, those within states included."""
        yield from states(json.loads(self.definition))

    def tasks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the name and the content of every Task."""
        yield from ((name, state) for name, state in self.states() if state["Type"] == "Task")

    def calls(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield name, action and arguments of every Task whose arguments are written out."""
        for name, state in self.tasks():
            given = state.get("Arguments", state.get("Parameters"))
            if isinstance(given, Mapping):
                yield name, str(state["Resource"]).partition(".")[0].rpartition(":")[2], given


def machines(assembly: Assembly, place: Place) -> Iterator[Machine]:
    """Yield every state machine of an environment, rendered for a place."""
    for stack, name, resource in assembly.resources("AWS::StepFunctions::StateMachine"):
        properties = resource["Properties"]
        text = str(render(properties["DefinitionString"], assembly.templates[stack], place))
        yield Machine(stack, name, properties.get("StateMachineType", "STANDARD"), text)


def render(value: Any, template: Mapping[str, Any], place: Place) -> Any:
    """Return a value of a template with its intrinsics replaced.

    Raises
    ------
    RenderingError
        When a mapping has no entry for the region, or an intrinsic is not known here.
    """
    if isinstance(value, list):
        return [render(each, template, place) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "Ref":
            return _ref(inner, template, place)
        if key.startswith("Fn::"):
            return _function(key, inner, template, place)
    return {key: render(each, template, place) for key, each in value.items()}


def _function(key: str, inner: Any, template: Mapping[str, Any], place: Place) -> Any:
    if key == "Fn::Join":
        return str(inner[0]).join(str(render(each, template, place)) for each in inner[1])
    if key == "Fn::Sub" and isinstance(inner, str):
        return re.sub(r"\$\{([^!}]+)\}", lambda found: str(_ref(found[1], template, place)), inner)
    if key in ("Fn::Select", "Fn::Split"):
        value = render(inner[1], template, place)
        # A placeholder may have fewer parts than the real value.
        return value.split(inner[0]) if key == "Fn::Split" else value[min(int(inner[0]), len(value) - 1)]
    if key == "Fn::GetAtt":
        return _arn(inner[0], template, place) if inner[1] == "Arn" else f"{inner[0]}-{inner[1]}"
    if key == "Fn::ImportValue":
        return str(render(inner, template, place)).rpartition(":")[2].lower()
    if key == "Fn::FindInMap":
        first, *rest = (render(each, template, place) for each in inner)
        found: Any = template["Mappings"].get(first)
        for part in rest:
            if not isinstance(found, Mapping) or part not in found:
                raise RenderingError(f"The mapping {first} has no entry {part}.")
            found = found[part]
        return found
    raise RenderingError(f"{key} has no value before a deployment.")


def _ref(name: str, template: Mapping[str, Any], place: Place) -> str:
    if name in place.pseudo:
        return place.pseudo[name]
    kind = template["Resources"].get(name, {}).get("Type")
    return _arn(name, template, place) if kind in _REF_IS_ARN else name


def _arn(name: str, template: Mapping[str, Any], place: Place) -> str:
    kind: str = template["Resources"].get(name, {}).get("Type", "AWS::Other::Other")
    form = _SERVICES.get(kind, kind.split("::")[1].lower() + ":{region}:{account}:{name}")
    return f"arn:{place.partition}:" + form.format(region=place.region, account=place.account, name=name)


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def inner(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the machines within a state: its branches, or what runs for each item."""
    return [*state.get("Branches", []), *(state[name] for name in INNER[1:] if name in state)]


def states(machine: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of every state, those within states included."""
    for name, state in machine["States"].items():
        yield name, state
        for each in inner(state):
            yield from states(each)
