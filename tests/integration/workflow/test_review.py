"""What people answer at the terminal is kept once, told once, and in the next dataset."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from scones import cli, target
from tests.integration.workflow.conftest import ENV, ROOT, Deployment, until
from training.drawings import draw

pytestmark = pytest.mark.timeout(600)
SAID = ("bicycle", "motorcycle", "none")
"""What people say of the three pictures, whatever the model says."""
TODAY = datetime.now(UTC).date()


def picture(number: int) -> bytes:
    """Return a drawing that the built-in ones do not have, by its seed."""
    buffer = io.BytesIO()
    made: Image.Image = draw("bicycle", 4711, number)
    made.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def told(deployment: Deployment) -> Iterator[str]:
    """Subscribe a queue to the bus."""
    sqs, events = deployment.client("sqs"), deployment.client("events")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = deployment.outputs["EventBusName"]
    pattern = json.dumps({"detail-type": ["VehicleReviewed"]})
    events.put_rule(Name="told", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="told", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    yield queue
    events.remove_targets(Rule="told", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="told", EventBusName=bus)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture(scope="module")
def decisions(deployment: Deployment) -> list[dict[str, str]]:
    """Send pictures; whether the model is sure of each or not, people get it."""
    versions = {f"review/{number}.png": picture(number) for number in range(len(SAID))}
    sent = {key: deployment.upload(key, content) for key, content in versions.items()}
    return [deployment.outcome(key, version) for key, version in sent.items()]


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line against the shared deployment."""
    found = target.of_instance(deployment.instance, name="scones", env=ENV, classifier="vehicles")
    monkeypatch.setattr(target, "choose", lambda **_: found)
    return lambda *words: CliRunner().invoke(cli.app, ["review", "--local", *words])


def answers(folder: Path, decisions: list[dict[str, str]]) -> str:
    """Write a file of answers."""
    path = folder / "answers.jsonl"
    lines = [
        json.dumps({"object": each["object"], "class": said})
        for each, said in zip(decisions, SAID, strict=True)
    ]
    path.write_text("\n".join(lines))
    return str(path)


def reviews(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the reviews in the results bucket."""
    s3, bucket = deployment.client("s3"), deployment.outputs["ResultsBucketName"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix="reviews/vehicles/").get("Contents", [])
    return [json.loads(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()) for each in found]


def test_an_answer_is_stored_told_and_copied_once(
    deployment: Deployment, decisions: list[dict[str, str]], told: str, run: Any, tmp_path: Path
) -> None:
    for each in decisions:
        assert each["sampled"] == ("true" if each["outcome"] == "routed" else "false")
    asked = run("--answers", answers(tmp_path, decisions), "--as", "kim")
    assert asked.exit_code == 0, asked.output
    assert asked.stdout.count("stored for kim.") == len(SAID)

    def kept() -> dict[str, dict[str, Any]] | None:
        found = {each["decision_id"]: each for each in reviews(deployment)}
        return found if {each["decision_id"] for each in decisions} <= set(found) else None

    found = until(kept, 60, "the reviews")
    for each, said in zip(decisions, SAID, strict=True):
        review = found[each["decision_id"]]
        assert (review["class"], review["predicted"], review["by"]) == (said, each["class"], "kim")
        assert (review["outcome"], review["sampled"]) == (each["outcome"], each["outcome"] == "routed")
    routes = {"bicycle": "near", "motorcycle": "far", "none": ""}
    heard: dict[str, dict[str, Any]] = {}

    def complete() -> bool | None:
        for message in deployment.client("sqs").receive_message(QueueUrl=told).get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            heard[detail["decision_id"]] = detail
        return len(heard) == len(SAID) or None

    until(complete, 60, "the events")
    for each, said in zip(decisions, SAID, strict=True):
        detail = heard[each["decision_id"]]
        assert (detail["reviewed_class"], detail["reviewed_route"]) == (said, routes[said])
        assert detail["object"] == each["object"]


def test_a_second_answer_is_told_who_answered_and_changes_nothing(
    deployment: Deployment, decisions: list[dict[str, str]], run: Any, tmp_path: Path
) -> None:
    sqs, queue = deployment.client("sqs"), deployment.outputs["ReviewQueueUrl"]
    item = {**decisions[0], "probabilities": decisions[0]["probabilities"]}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"decision": item}))
    path = tmp_path / "late.jsonl"
    path.write_text(json.dumps({"decision_id": item["decision_id"], "class": "motorcycle"}))
    asked = run("--answers", str(path), "--as", "robin")
    assert asked.exit_code == 0, asked.output
    assert "was answered already: bicycle, by kim at " in asked.stdout
    key = item["object"].partition("/vehicles/")[2]
    stored = deployment.record(key, item["version_id"])
    assert stored is not None
    assert (stored["reviewed_class"], stored["reviewed_by"]) == ("bicycle", "kim")


def test_reviewed_pictures_make_another_dataset_version(
    deployment: Deployment, decisions: list[dict[str, str]], tmp_path: Path
) -> None:
    s3, bucket = deployment.client("s3"), deployment.outputs["DatasetsBucketName"]
    prefix = "vehicles/reviewed/"
    wanted = {
        (said, each["decision_id"]) for each, said in zip(decisions, SAID, strict=True) if said != "none"
    }
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    places = [each["Key"].removeprefix(prefix).split("/") for each in listed if each["Key"] != f"{prefix}_"]
    assert {(said, decision) for said, _, decision in places} == wanted
    assert {date.fromisoformat(day) for _, day, _ in places} <= {TODAY, TODAY + timedelta(1)}
    folder = tmp_path / "reviewed"
    for each in listed:
        path = folder / each["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
    without, grown = staged(tmp_path / "without", tmp_path / "absent"), staged(tmp_path / "with", folder)
    assert (without["reviewed"], grown["reviewed"]) == (0, len(wanted))
    assert without["version"] != grown["version"]
    # What is deployed learnt from the same drawings, when there was no review yet.
    state = deployment.outputs["StateTableName"]
    champion = deployment.client("dynamodb").get_item(TableName=state, Key={"id": {"S": "champion"}})["Item"]
    assert champion["dataset_version"]["S"] == without["version"]


def test_an_object_that_was_written_again_is_answered_by_its_decisions_alone(
    deployment: Deployment, run: Any, tmp_path: Path
) -> None:
    key = "review/again.png"
    found = []
    for number in (len(SAID), len(SAID) + 1):
        found.append(deployment.outcome(key, deployment.upload(key, picture(number))))
    path = tmp_path / "again.jsonl"
    path.write_text(json.dumps({"object": found[0]["object"], "class": "none"}))
    asked = run("--answers", str(path), "--as", "kim")
    assert asked.exit_code == 1
    assert f"one of {', '.join(sorted(each['decision_id'] for each in found))}." in asked.stderr
    assert not any("reviewed_at" in (deployment.record(key, each["version_id"]) or {}) for each in found)
    path.write_text(
        "\n".join(json.dumps({"decision_id": each["decision_id"], "class": "none"}) for each in found)
    )
    asked = run("--answers", str(path), "--as", "kim")
    assert asked.exit_code == 0, asked.output


def staged(folder: Path, reviewed: Path) -> dict[str, Any]:
    """Run the staging job's entry point on the deployment's drawings, and return its summary."""
    places = ("index", "dataset", "splits", "summary")
    arguments = [word for name in places for word in (f"--{name}", str(folder / name))]
    (folder / "index").mkdir(parents=True)
    source = ["--source", "drawings", "--per-class", "60", "--seed", "7", "--classes", "bicycle,motorcycle"]
    code = "import sys; from training.staging.job import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *source, *arguments, "--reviewed", str(reviewed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads((folder / "summary" / "summary.json").read_text())
    return summary
