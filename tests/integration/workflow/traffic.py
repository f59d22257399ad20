"""Traffic for a deployment whose decisions are analysed, and what the analysis makes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageEnhance

from tests.integration.workflow.conftest import Deployment, until
from training.analysis.metrics import ALARMED
from training.drawings import draw_candidates

Labelled = tuple[str, bytes]
"""What a drawing shows, and its file."""


def drawings(seed: int, number: int) -> list[Labelled]:
    """Draw bicycles and motorcycles, so many together and by turns, that the model was not trained on."""
    _, found = draw_candidates(["bicycle", "motorcycle"], number // 2, seed)
    drawn = [(each.label, each.data) for each in found]
    return [each for pair in zip(drawn[: number // 2], drawn[number // 2 :], strict=True) for each in pair]


def at_dusk(picture: Labelled) -> Labelled:
    """Return a picture as a camera has it that sees little: dark, and without contrast."""
    label, content = picture
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as opened:
        dark = ImageEnhance.Brightness(opened.convert("RGB")).enhance(0.3)
        ImageEnhance.Contrast(dark).enhance(0.2).save(buffer, "PNG")
    return label, buffer.getvalue()


def classify(deployment: Deployment, name: str, pictures: Sequence[Labelled]) -> list[dict[str, str]]:
    """Send pictures, wait until every decision is in the prediction log, and return the decisions."""
    sent = {f"{name}/{number}.png": content for number, (_, content) in enumerate(pictures)}
    versions = {key: deployment.upload(key, content) for key, content in sent.items()}
    decisions = [deployment.outcome(key, version) for key, version in versions.items()]
    wanted = {each["decision_id"] for each in decisions}
    read: dict[str, set[str]] = {}
    until(lambda: True if wanted <= deployment.logged(read) else None, 120, "the prediction log")
    return decisions


def analysed(deployment: Deployment, case: str = "") -> dict[str, Any]:
    """Run the analysis to its end, in a test case of it if one is named, and return what it says."""
    return ended(deployment, start(deployment, case))


def start(deployment: Deployment, case: str = "") -> str:
    """Start an analysis, in a test case of it if one is named, and return its execution."""
    machine = deployment.outputs["AnalysisStateMachineArn"] + (f"#{case}" if case else "")
    arn: str = deployment.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    return arn


def ended(deployment: Deployment, execution: str) -> dict[str, Any]:
    """Wait for the end of an analysis, and return what it says."""
    client = deployment.client("stepfunctions")

    def found() -> dict[str, Any] | None:
        shown: dict[str, Any] = client.describe_execution(executionArn=execution)
        return None if shown["status"] == "RUNNING" else shown

    shown = until(found, 180, "the end of the analysis")
    assert shown["status"] == "SUCCEEDED", (shown.get("error"), shown.get("cause"))
    output: dict[str, Any] = json.loads(shown["output"])
    return output


def ringing(deployment: Deployment) -> set[str]:
    """Return the metrics whose alarms ring, and `any` where the composite alarm does."""
    kinds = ["MetricAlarm", "CompositeAlarm"]
    found = deployment.client("cloudwatch").describe_alarms(AlarmTypes=kinds, StateValue="ALARM")
    own = {each["MetricName"] for each in found["MetricAlarms"] if each["Namespace"] == "Scones/Monitoring"}
    return own | {"any" for each in found["CompositeAlarms"] if "monitoring" in each["AlarmName"]}


def told(deployment: Deployment) -> set[str]:
    """Return the metrics by which the last analysis itself makes alarms ring; they may ring for one before, too."""
    metrics = _left(deployment, "analysis")["metrics"]
    return {each["MetricName"] for each in metrics if each["Value"] > 0 and each["MetricName"] in ALARMED}


def state(deployment: Deployment) -> dict[str, Any]:
    """Return what the last analysis remembers."""
    return _left(deployment, "state")


def _left(deployment: Deployment, name: str) -> dict[str, Any]:
    item = deployment.client("dynamodb").get_item(
        TableName=deployment.outputs["StateTableName"], Key={"id": {"S": "analysis"}}
    )["Item"]
    bucket, _, key = item["state_uri"]["S"].removeprefix("s3://").partition("/")
    key = key.replace("state.json", f"{name}.json")
    body = deployment.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def counted(deployment: Deployment) -> tuple[int, int]:
    """Return how many pictures the analysis has counted in windows, closed and open, and how many decisions."""
    found = state(deployment)
    return (
        sum(each["images"] for each in found["history"])
        + sum(len(each["records"]) for each in found["opened"]),
        sum(each["sure"] + each["unsure"] for each in found["tallies"].values()),
    )
