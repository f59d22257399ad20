"""The fields of a decision: how states make them, write them to the results table and read them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.workflow.context import expression
from stacks.workflow.items import numbers, texts

TEXT = (
    *("object", "version_id", "decision_id", "classifier", "outcome", "class", "route", "reason"),
    *("model_version", "inference_id", "probabilities", "recorded_at"),
)
NUMBERS = ("confidence", "threshold", "milliseconds")
TRUTHS = ("sampled",)
"""Kept as text: CDK's attribute takes a truth that is known at synth, or a JSONPath, and not an expression."""


def answered() -> dict[str, str]:
    """Return the fields that the endpoint's answer gives."""
    names = ("class", "confidence", "threshold", "model_version", "inference_id", "milliseconds")
    return {
        **{name: expression(f"$answer.{name}") for name in names},
        "probabilities": expression("$string($answer.probabilities)"),
        # Compared, so that a function from before the field was there has sampled nothing.
        "sampled": expression("$answer.sampled = true"),
    }


def decide(scope: Construct, name: str, classifier: str, outcome: str, fields: Mapping[str, Any]) -> sfn.Pass:
    """Make a state that puts a decision together, in the variable `decision`."""
    decision = {
        **dict.fromkeys(TEXT, ""),
        **dict.fromkeys(NUMBERS, 0),
        **dict.fromkeys(TRUTHS, False),
        "probabilities": "{}",
        **fields,
        "object": expression("'s3://' & $image.bucket & '/' & $image.key"),
        "version_id": expression("$image.version_id"),
        "decision_id": expression("$id"),
        "classifier": classifier,
        "outcome": outcome,
        "recorded_at": expression("$now()"),
    }
    return sfn.Pass.jsonata(scope, name, assign={"decision": decision})


def write_item() -> dict[str, tasks.DynamoAttributeValue]:
    """Return the decision as the results table takes it."""
    as_text = {name: expression(f"$string($decision.{name})") for name in (*NUMBERS, *TRUTHS)}
    return (
        texts({name: expression(f"$decision.{name}") for name in TEXT})
        | numbers({name: as_text[name] for name in NUMBERS})
        | texts({name: as_text[name] for name in TRUTHS})
    )


def read_item() -> dict[str, str]:
    """Return the decision as the results table gives it."""
    item = "$states.result.Item"
    text = {name: expression(f"{item}.{name}.S") for name in TEXT}
    numbers = {name: expression(f"$number({item}.{name}.N)") for name in NUMBERS}
    # A comparison, so that an item from before the field was there reads as false.
    return text | numbers | {name: expression(f"{item}.{name}.S = 'true'") for name in TRUTHS}
