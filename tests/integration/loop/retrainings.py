"""What leads to a retraining, and the retrainings that it led to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from scones import cli
from tests.integration.workflow.conftest import Deployment, until
from tests.integration.workflow.traffic import Labelled


def answer(folder: Path, decisions: Sequence[dict[str, str]], pictures: Sequence[Labelled]) -> None:
    """Say of each picture what it shows, as a person does with `scones review`."""
    said = [
        json.dumps({"object": decision["object"], "class": label})
        for decision, (label, _) in zip(decisions, pictures, strict=True)
    ]
    path = folder / "answers.jsonl"
    path.write_text("\n".join(said))
    asked = CliRunner().invoke(cli.app, ["review", "--local", "--answers", str(path), "--as", "kim"])
    assert asked.exit_code == 0, asked.output


def trainings(cloud: Deployment) -> list[dict[str, Any]]:
    """Return the trainings that analyses have started, the newest first."""
    machine = cloud.outputs["TrainingStateMachineArn"]
    listed = cloud.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    return [dict(each) for each in listed if each["name"].startswith("retrain-")]


def ended(cloud: Deployment, of: int) -> dict[str, Any]:
    """Wait for the end of the newest of so many trainings that analyses started."""

    def found() -> dict[str, Any] | None:
        own = trainings(cloud)
        if len(own) < of or own[0]["status"] == "RUNNING":
            return None
        client = cloud.client("stepfunctions")
        return dict(client.describe_execution(executionArn=own[0]["executionArn"]))

    return until(found, 600, "the end of the training")


def reviewed(cloud: Deployment, version: str) -> int:
    """Return how many reviewed pictures a dataset version has."""
    key = f"vehicles/{version}/manifest.json"
    body = cloud.client("s3").get_object(Bucket=cloud.outputs["DatasetsBucketName"], Key=key)["Body"]
    return int(json.load(body)["reviewed"])
