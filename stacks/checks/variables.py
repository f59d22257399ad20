"""A function's environment variables: those that it reads, what each holds, and that it can read them."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lambda_src import environment
from lambda_src.errors import MissingVariableError

SHARED = ("POWERTOOLS_",)
"""Variables that a layer reads and not the function."""
KINDS = {
    "STATE_MACHINE_ARN": "AWS::StepFunctions::StateMachine",
    "_FUNCTION_ARN": "AWS::Lambda::Function",
    "_TABLE_NAME": "AWS::DynamoDB::GlobalTable",
    "_QUEUE_URL": "AWS::SQS::Queue",
    "EVENT_BUS_NAME": "AWS::Events::EventBus",
    "_BUCKET": "AWS::S3::Bucket",
}
"""How the name of a variable ends that holds a resource."""
REFERENCES = {"AWS::Lambda::Function": "Fn::GetAtt"}
"""How a template writes what such a variable wants: `Ref` but for these, whose `Ref` is not their ARN."""
CDKS_OWN = "USER_"
"""How CDK's provider begins the names of variables that hold the functions it is given."""
_HEARING = frozenset({"USER_ON_EVENT_FUNCTION_ARN", "USER_IS_COMPLETE_FUNCTION_ARN"})
PROVIDER = {
    "framework.onEvent": _HEARING | {"WAITER_STATE_MACHINE_ARN"},
    "framework.isComplete": _HEARING,
    "framework.onTimeout": _HEARING,
}
"""What the functions of CDK's provider read, which waits here for something to be complete."""
READS = "from_environ"
"""How a handler names the variables that it reads: `<its typed environment>.from_environ(…)`."""


def of_handler(tree: ast.Module, given: Mapping[str, Any], rendered: Mapping[str, Any]) -> Iterator[str]:
    """Say which variables a handler reads and has not, has and does not read, or cannot make anything of."""
    environments = [
        getattr(environment, node.value.id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == READS and isinstance(node.value, ast.Name)
    ]
    read = {field.name.upper() for each in environments for field in dataclasses.fields(each)}
    own = {name for name in given if not name.startswith(SHARED)}
    yield from (f"it reads {name}, which is not set" for name in sorted(read - own))
    yield from (f"{name} is set, and it does not read it" for name in sorted(own - read))
    yield from (f"{name} is empty" for name in sorted(own) if not given[name])
    for each in environments if not read - own else ():
        try:
            each.from_environ({name: str(value) for name, value in rendered.items()})
        except MissingVariableError as error:
            yield str(error)


def of_provider(handler: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Say which variables a function of CDK's provider reads and has not, or has and does not read."""
    if handler in PROVIDER:
        yield from (f"it reads {name}, which is not set" for name in sorted(PROVIDER[handler] - set(given)))
        yield from (
            f"{name} is set, and it does not read it" for name in sorted(set(given) - PROVIDER[handler])
        )


def of_values(resources: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Say which variable does not hold what its name promises: that resource, by what it wants of it, or plain text."""
    for name, value in given.items():
        ending, wanted = next(((e, kind) for e, kind in KINDS.items() if name.endswith(e)), ("", ""))
        if isinstance(value, str):
            if wanted:
                yield f"{name} is {value!r}, where the template should name the {wanted}"
            continue
        ((function, inside),) = value.items()
        held = str(inside[0] if isinstance(inside, list) else inside)
        stem = name.removesuffix(ending).removeprefix(CDKS_OWN).replace("_", "").lower()
        if function == "Fn::ImportValue":
            # CDK names an export after the attribute that it holds and the resource.
            is_kind = wanted.rpartition("::")[2] in held and ":ExportsOutputRef" in held if wanted else False
        elif function == "Fn::Sub":
            is_kind, stem = wanted == "AWS::S3::Bucket" and "-assets-" in held, ""
        else:
            is_kind = bool(wanted) and resources.get(held, {}).get("Type") == wanted
            is_kind = is_kind and function == REFERENCES.get(wanted, "Ref")
            is_kind = is_kind and (function == "Ref" or inside[1:] == ["Arn"])
        if not is_kind:
            yield f"{name} is {json.dumps(value)}, which is no {wanted or 'plain text'} as that name wants it"
        elif stem not in held.lower():
            yield f"{name} is {json.dumps(value)}, which by its name is another one"
