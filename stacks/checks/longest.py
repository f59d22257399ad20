"""Values of a template as long as any deployment of it may give them, for whatever is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.names import LIMITS
from stacks.checks.rendering import Place, RenderingError

PLACE = Place("ap-southeast-1", partition="aws-us-gov")
"""No region and no partition that the tables have is longer."""
_NAME_MOST = {kind: most for (kind, _), most in LIMITS.items()}
_REF_IS_NO_NAME = (
    *("AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::StepFunctions::StateMachine"),
    "AWS::SageMaker::ModelPackageGroup",
)
_RANDOM = 13
"""What CloudFormation adds to a name that it gives: a dash and twelve characters."""
_UUID = 36


def longest(value: Any, assembly: Assembly, stack: str) -> Any:
    """Return a value with its intrinsics replaced by texts of the greatest length that they can have.

    Raises
    ------
    stacks.checks.rendering.RenderingError
        When an intrinsic is not known here.
    """
    if isinstance(value, list):
        return [longest(each, assembly, stack) for each in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "Ref" or key.startswith("Fn::"):
            return _text(key, inner, assembly, stack)
    return {key: longest(each, assembly, stack) for key, each in value.items()}


def _text(key: str, inner: Any, assembly: Assembly, stack: str) -> str:
    if key in ("Ref", "Fn::GetAtt"):
        return _ref(inner, assembly, stack) if key == "Ref" else _arn(inner[0], assembly, stack)
    if key == "Fn::Sub" and isinstance(inner, str):
        return re.sub(r"\$\{([^!}.]+)[^}]*\}", lambda found: _ref(found[1], assembly, stack), inner)
    if key == "Fn::Join":
        return str(inner[0]).join(longest(each, assembly, stack) for each in inner[1])
    if key == "Fn::FindInMap":
        rows = assembly.templates[stack]["Mappings"][inner[0]].values()
        return max((str(row[inner[2]]) for row in rows), key=len)
    if key == "Fn::ImportValue":
        exporting, exported = export(inner, assembly)
        return str(longest(exported, assembly, exporting))
    if key == "Fn::Select" and "Fn::Split" in inner[1]:
        # No part of a text is longer than the whole.
        return str(longest(inner[1]["Fn::Split"][1], assembly, stack))
    raise RenderingError(f"{key} has no length before a deployment.")


def export(name: str, assembly: Assembly) -> tuple[str, Any]:
    """Return the stack that exports a value, and the value.

    Raises
    ------
    stacks.checks.rendering.RenderingError
        When no stack of the environment does.
    """
    for stack, template in assembly.templates.items():
        for output in template.get("Outputs", {}).values():
            if output.get("Export", {}).get("Name") == name:
                return stack, output["Value"]
    raise RenderingError(f"No stack exports {name}.")


def _ref(name: str, assembly: Assembly, stack: str) -> str:
    if name in PLACE.pseudo:
        return PLACE.pseudo[name]
    kind = _kind(name, assembly, stack)
    named = kind in _NAME_MOST and kind not in _REF_IS_NO_NAME
    return _name(name, assembly, stack) if named else _arn(name, assembly, stack)


def _kind(name: str, assembly: Assembly, stack: str) -> str:
    return str(assembly.templates[stack]["Resources"].get(name, {}).get("Type", "AWS::Other::Other"))


def _name(name: str, assembly: Assembly, stack: str) -> str:
    generated = max(len(f"{stack}-{name}") + _RANDOM, _UUID)
    return "n" * min(generated, _NAME_MOST.get(_kind(name, assembly, stack), generated))


def _arn(name: str, assembly: Assembly, stack: str) -> str:
    _, service, kind = _kind(name, assembly, stack).split("::", 2)
    # No ARN writes the kind of a resource in more words than CloudFormation does.
    start = f"arn:{PLACE.partition}:{service}:{PLACE.region}:{PLACE.account}:{kind}/"
    return start + _name(name, assembly, stack)
