"""Faults in state machines that nothing but AWS would notice: what each service, and each language, takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from stacks.checks.changes import Change, always, at, misspelt, renamed, without
from stacks.checks.model import matches
from stacks.checks.services import OPTIMIZED_ERRORS, SDK_ERRORS, integration, service_model

Made = Iterator[tuple[str, str, Change]]


def of_task(name: str, state: dict[str, Any]) -> Made:
    """Yield faults in a Task that calls a service."""
    yield from _of_errors(name, state)
    yield from _of_durations(name, state)
    yield from _of_attributes(name, state)
    yield from _of_conditions(name, state)
    yield from _of_fields(name, state)
    yield from _of_own_code(name, state)
    yield from _of_variants(name, state)
    operation = integration(state["Resource"]).model
    if operation is not None and operation.input_shape is not None:
        yield from _of_model(name, ["Arguments"], state.get("Arguments"), operation.input_shape)
    yield "a state of no type", name, without([], "Type")
    for field in ("Retry", "Catch"):
        for number in range(len(state.get(field, []))):
            yield "a rule for no error", f"{name} {field} {number}", without([field, number], "ErrorEquals")


_UNTAUGHT = {
    "createTrainingJob": ("RetryStrategy", {"MaximumRetryAttempts": 2}),
    "createTransformJob": ("DataCaptureConfig", {"DestinationS3Uri": "s3://models/captured"}),
    "putItem": ("ReturnValuesOnConditionCheckFailure", "ALL_OLD"),
    "deleteItem": ("ReturnValuesOnConditionCheckFailure", "ALL_OLD"),
}


def _of_fields(name: str, state: dict[str, Any]) -> Made:
    called = integration(state["Resource"])
    if not called.through_sdk and called.action in _UNTAUGHT and isinstance(state.get("Arguments"), dict):
        field, value = _UNTAUGHT[called.action]
        yield (
            "a field that an optimized integration does not know",
            name,
            at(["Arguments", field], always(value)),
        )


def _of_errors(name: str, state: dict[str, Any]) -> Made:
    called = integration(state["Resource"])
    own, other = SDK_ERRORS.get(called.service, ""), OPTIMIZED_ERRORS.get(called.service, ("", ""))[0]
    if called.through_sdk:
        own, other = other, own
    for field in ("Retry", "Catch"):
        for number, rule in enumerate(state.get(field, [])):
            path = [field, number, "ErrorEquals", 0]
            service, _, error = rule["ErrorEquals"][0].partition(".")
            if error and service == other != own and own:
                named = always(f"{own}.{error}")
                yield "an error of the other integration", f"{name} {field} {error}", at(path, named)
            if error and service != "States":
                elsewhere = always(f"{service}.TableAlreadyExistsException")
                yield "an error of another operation", f"{name} {field} {error}", at(path, elsewhere)


def _of_variants(name: str, state: dict[str, Any]) -> Made:
    given = state["Arguments"] if isinstance(state.get("Arguments"), dict) else {}
    kind = "a variant that there is not"
    for number, _ in enumerate(given.get("ProductionVariants", [])):
        named = ["Arguments", "ProductionVariants", number, "VariantName"]
        yield kind, f"{name} {number}", at(named, misspelt)
    if "/variant/" in str(given.get("ResourceId")):
        for form in ("/variants/", "/variant/x"):
            scaled = always(given["ResourceId"].replace("/variant/", form))
            yield kind, f"{name} {form}", at(["Arguments", "ResourceId"], scaled)


def _of_durations(name: str, state: dict[str, Any]) -> Made:
    arguments = state.get("Arguments", {})
    stops = arguments.get("StoppingCondition", {}) if isinstance(arguments, dict) else {}
    for what, seconds in stops.items():
        longer = at(["TimeoutSeconds"], always(seconds))
        yield "a Task that waits too short for its job", f"{name} {what}", longer
        shorter = at(["Arguments", "StoppingCondition", what], always(state["TimeoutSeconds"] + 1))
        yield "a job that takes longer than its Task waits", f"{name} {what}", shorter
    if ":states:::" not in state["Resource"] and "TimeoutSeconds" in state:
        for seconds in (10, state["TimeoutSeconds"] * 10):
            other = at(["TimeoutSeconds"], always(seconds))
            yield "a Task that waits otherwise than its function takes", f"{name} {seconds}", other


def of_expression(where: str, path: list[Any], value: str) -> Made:
    """Yield what parses, and Step Functions has not."""
    yield from of_fields(where, path, value)
    for called in sorted(set(re.findall(r"\$([a-z]\w*)\(", value))):
        wrong = value.replace(f"${called}(", f"${misspelt(called)}(")
        yield "a function of JSONata misspelt", f"{where} ${called}", at(path, always(wrong))
    yield "a function that Step Functions left out", where, at(path, always("{% $eval('1') %}"))
    yield "a function of JSONata without arguments", where, at(path, always("{% $substring() %}"))
    if "'SHA-256'" in value:
        yield "a hash that there is not", where, at(path, always(value.replace("'SHA-256'", "'SHA256'")))


_HELD = re.compile(r"(\$(?!states\b)\w+(?:\.\w+)*|\$states\.input|\$parse\(\$states\.result\.Body\))\.(\w+)")
_ATTRIBUTE = re.compile(r"(\$states\.result\.Item)\.(\w+)")


def of_fields(where: str, path: list[Any], value: str) -> Made:
    """Yield fields that are misspelt where they are read: of variables, inputs, files and items."""
    for kind, read in (
        ("a field of what a variable holds misspelt", _HELD),
        ("an attribute misspelt where it is read", _ATTRIBUTE),
    ):
        for held, field in sorted(set(read.findall(value))):
            other = re.sub(rf"{re.escape(held)}\.{field}\b", f"{held}.{misspelt(field)}", value)
            yield kind, f"{where} {held}.{field}", at(path, always(other))


REFUSED = "\n§"
"""A text that few patterns take."""
LONG = 10_000
"""Characters: texts that may be longer would only make the faults large."""


def _of_model(name: str, path: list[Any], given: Any, shape: Shape) -> Made:
    """Yield what a service's own model refuses: a required member left out, texts and keys of another form."""
    where = f"{name} {'.'.join(map(str, path[1:]))}"
    if isinstance(shape, StructureShape) and isinstance(given, dict):
        members = {key[:1].upper() + key[1:]: member for key, member in shape.members.items()}
        for required in shape.required_members:
            if (key := required[:1].upper() + required[1:]) in given:
                yield "a required argument left out", f"{where} {key}", without(path, key)
        for key, value in given.items():
            if key in members:
                yield from _of_model(name, [*path, key], value, members[key])
    elif isinstance(shape, ListShape) and isinstance(given, list):
        for number, value in enumerate(given):
            yield from _of_model(name, [*path, number], value, shape.member)
    elif isinstance(shape, MapShape) and isinstance(given, dict):
        for value in given.values():
            for text in _refused(shape.key):
                yield "a key of another form", f"{where} {len(text)}", at([*path, text], always(value))
    elif isinstance(given, str):
        for text in _refused(shape):
            yield "a text of another form", f"{where} {len(text)}", at(path, always(text))


def _refused(shape: Shape) -> Iterator[str]:
    """Yield texts that a shape is against, by its pattern and by its length."""
    try:
        against = "pattern" in shape.metadata and not matches(shape.metadata["pattern"], REFUSED)
    except regex.error:  # would have to be found, too
        against = True
    if against:
        yield REFUSED
    if (most := shape.metadata.get("max", LONG)) < LONG:
        yield "a" * (most + 1)


def _of_own_code(name: str, state: dict[str, Any]) -> Made:
    """Yield what no service knows: what code of ours is given."""
    given = state.get("Arguments")
    if not isinstance(given, dict):
        return
    if ":lambda:" in state["Resource"]:
        for key in given:
            yield "a payload's field misspelt", f"{name} {key}", renamed(["Arguments"], key)
            yield "a payload's field left out", f"{name} {key}", without(["Arguments"], key)
    command = given.get("AppSpecification", {}).get("ContainerArguments", [])
    for number, word in enumerate(command):
        if number == 0 or str(word).startswith("--"):
            path = ["Arguments", "AppSpecification", "ContainerArguments", number]
            yield "a job's option or script misspelt", f"{name} {word}", at(path, misspelt)
    if str(given.get("Input", "")).startswith("{% $string({"):
        for key in re.findall(r"'(\w+)'\s*:", given["Input"]):
            other = given["Input"].replace(f"'{key}'", f"'{misspelt(key)}'", 1)
            yield "an input's field misspelt", f"{name} {key}", at(["Arguments", "Input"], always(other))
    if state["Resource"].endswith(":dynamodb:putItem"):
        for key in given["Item"]:
            attribute = renamed(["Arguments", "Item"], key)
            yield "an attribute misspelt where it is written", f"{name} {key}", attribute
    if state["Resource"].endswith(":s3:getObject") and "$parse(" in str(state.get("Assign")):
        elsewhere = at(["Arguments", "Key"], lambda key: str(key).replace(".json", ".jsno"))
        yield "a job's file misspelt", name, elsewhere
    for key in given.get("HyperParameters", {}):
        if not key.startswith("sagemaker_"):
            yield (
                "a hyperparameter misspelt",
                f"{name} {key}",
                renamed(["Arguments", "HyperParameters"], key),
            )


def _statuses() -> frozenset[str]:
    shapes = (("sagemaker", "EndpointStatus"), ("stepfunctions", "ExecutionStatus"))
    models = [(service_model(service), name) for service, name in shapes]
    return frozenset(each for model, name in models if model for each in model.shape_for(name).enum)  # type: ignore[attr-defined]


def of_choice(name: str, number: int, written: str) -> Made:
    """Yield conditions that are neither true nor false, and such as never hold."""
    yield from of_fields(f"{name} {number}", ["Choices", number, "Condition"], written)
    for word in sorted(_statuses() & set(re.findall(r"'(\w+)'", written))):
        wrong = always(written.replace(f"'{word}'", f"'{misspelt(word)}'"))
        yield (
            "a status that there is not",
            f"{name} {number} {word}",
            at(["Choices", number, "Condition"], wrong),
        )
    for condition in ("{% 'RUNNING' %}", "true", "{% $count([1]) %}", "{% 'a' & 'b' %}"):
        change = at(["Choices", number, "Condition"], always(condition))
        yield "a condition that is neither true nor false", f"{name} {number} {condition}", change


def of_argument(where: str, path: list[Any], value: Any) -> Made:
    """Yield values of an argument that are right in form, and that the service refuses when a run gives them."""
    key = str(path[-1])
    if isinstance(value, str) and ".dkr.ecr." in value:
        china = value.replace("amazonaws.com/", "amazonaws.com.cn/")
        yield "an image of another registry", f"{where} domain", at(path, always(china))
        west = value.replace("us-east-1", "us-west-2")
        yield "an image of another registry", f"{where} region", at(path, always(west))
        for old, new in (
            ("-v1", "-v11"),
            ("cu133", "cu13"),
            ("/pytorch:", "/pytorch-training:"),
            ("/ray:", "/rays:"),
        ):
            if old in value:
                yield (
                    "an image that there is not",
                    f"{where} {new}",
                    at(path, always(value.replace(old, new))),
                )
        for old, new in (
            ("-cuda-", "-cpu-"),
            ("-cpu-v", "-cuda-v"),
            ("-cu133-", "-cpu-"),
            ("-cpu-am", "-cu133-am"),
        ):
            if old in value and key != "Image":
                other = at(path, always(value.replace(old, new)))
                yield "an image for other processors", f"{where} {new}", other
    if key == "InferenceAmiVersion":
        yield "an image for other processors", where, at(path, always("al2-ami-sagemaker-inference-gpu-2"))
    if isinstance(value, str) and value.startswith("{% '") and key.endswith("JobName"):
        yield "a name with a character that no name has", where, at(path, always(value.replace("'", "'_", 1)))
    if isinstance(value, int) and not isinstance(value, bool):
        yield "a number as a text, by an expression", where, at(path, always("{% $string(1) %}"))
    if isinstance(value, str) and key.endswith(("Name", "Arn", "Uri", "Url", "Expression")):
        number = at(path, always("{% $count($states.input) %}"))
        yield "a text as a number, by an expression", where, number


def _of_attributes(name: str, state: dict[str, Any]) -> Made:
    arguments = state.get("Arguments", {})
    for outer in ("Item", "Key", "ExpressionAttributeValues") if isinstance(arguments, dict) else ():
        for key, value in arguments.get(outer, {}).items() if "dynamodb" in state["Resource"] else ():
            path, where = ["Arguments", outer, key], f"{name} {outer} {key}"
            yield "an attribute without its type", where, at(path, always(*value.values()))
            yield "an attribute of two types", where, at(path, always({"S": "a", "N": "1"}))
            if str(value.get("N", "")).startswith("{% $string("):
                bare = value["N"].replace("$string(", "(", 1)
                yield "an attribute's number that is one", where, at(path, always({"N": bare}))
                yield "an attribute's number that is none", where, at(path, always({"N": "{% $now() %}"}))


def _of_conditions(name: str, state: dict[str, Any]) -> Made:
    arguments = state.get("Arguments", {})
    written = arguments.get("ConditionExpression") if isinstance(arguments, dict) else None
    if not isinstance(written, str):
        return
    path: list[Any] = ["Arguments", "ConditionExpression"]
    for token in sorted(set(re.findall(r"[#:]\w+", written))):
        other = re.sub(rf"{token}\b", misspelt(token), written)
        yield "a placeholder misspelt", f"{name} {token}", at(path, always(other))
    for called in sorted(set(re.findall(r"\w+(?=\()", written))):
        other = written.replace(f"{called}(", f"{called[:-1]}(")
        yield "a function of DynamoDB misspelt", f"{name} {called}", at(path, always(other))
    yield "a reserved word in a condition", name, at(path, always(f"{written} AND attribute_exists(status)"))
    for end in (" AND", " OR id", ")", " = = :a"):
        yield "a condition of DynamoDB that does not parse", f"{name} {end}", at(path, always(written + end))
    unused = at(
        ["Arguments", "ExpressionAttributeValues"], lambda old: {**(old or {}), ":unused": {"S": "a"}}
    )
    yield "a placeholder that nothing uses", name, unused
    for key in arguments.get("Key", {}):
        number = at(["Arguments", "Key", key], always({"N": "1"}))
        yield "a key of another type than the table's", f"{name} {key}", number
