"""Drift leads, with no hand on it, to a new dataset, a challenger, a canary and a champion that is better.

All of it is real: jobs, endpoint, alarms. The test does what the world does: it sends pictures, answers what people are
asked, and lets an hour pass by starting what the schedule starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from localcloud.cdk import run_cdk
from scones import state, target
from tests.integration.loop.jobs import job
from tests.integration.loop.retrainings import answer, ended, reviewed, trainings
from tests.integration.workflow.conftest import OVERLAY, PREFIX, ROOT, Deployment, standing, until
from tests.integration.workflow.traffic import Labelled, analysed, at_dusk, classify, drawings, ringing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
WINDOW = 60
UNSEEN = 200
"""Pictures at dusk that nobody reviews, asked of both champions."""
ENV = "prod"
REPORT = ROOT / "build" / "loop.json"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of its own: what it learns would surprise the other tests."""
    overlay = OVERLAY.replace("window_images = 40", f"window_images = {WINDOW}")
    overlay = overlay.replace("epochs = 3", "epochs = 6")  # enough to learn what is new
    # A canary is watched for minutes.
    with standing(tmp_path, overlay, time_scale=0.01) as found:
        yield found


def right(cloud: Deployment, pictures: Sequence[Labelled]) -> float:
    """Ask the endpoint itself, which leaves no trace in the log, and return the share that it answers rightly."""
    runtime, found = cloud.client("sagemaker-runtime"), 0
    for label, content in pictures:
        answer = runtime.invoke_endpoint(
            EndpointName=PREFIX, Body=content, ContentType="application/octet-stream"
        )
        found += json.loads(answer["Body"].read())["class"] == label
    return found / len(pictures)


def stopped(cloud: Deployment, own: target.Target) -> None:
    """Stop the execution while its data is staged; what follows an ended run comes to its end, too."""
    job(cloud, "stage.py", 120)
    (running,) = trainings(cloud)
    cloud.client("stepfunctions").stop_execution(executionArn=running["executionArn"])
    until(lambda: state.history(own)[0]["reason"] == "settle" or None, 120, "the look at what it left")


def job_killed(cloud: Deployment, own: target.Target) -> None:
    """Kill the training job's process."""
    job(cloud, "train.py", 120).kill()
    assert ended(cloud, of=2)["status"] == "FAILED"


def test_drift_leads_to_a_better_champion_with_no_hand_on_it(
    cloud: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = target.of_instance(cloud.instance, name="scones", env=ENV, classifier="vehicles")
    monkeypatch.setattr(target, "choose", lambda **_: own)
    before = state.item(own, "champion")
    unseen = [at_dusk(each) for each in drawings(303, UNSEEN)]
    ignorant = right(cloud, unseen)
    for hour in range(2):
        pictures = [at_dusk(each) for each in drawings(201 + hour, WINDOW)]
        decisions = classify(cloud, f"hour-{hour}", pictures)
        answer(tmp_path, decisions, pictures)
        said = analysed(cloud)
        assert said["windows"][0]["verdict"] == "drift", said
        assert {"InputDrift", "any"} <= ringing(cloud)
    assert said["retraining"] == "started", said

    # It is killed twice, in two of its steps: the next analysis starts it again, without waiting for the cool-down.
    for death in (stopped, job_killed):
        death(cloud, own)
        said = analysed(cloud)
        assert said["retraining"] == "started", said
    run = ended(cloud, of=3)
    assert run["status"] == "SUCCEEDED", (run.get("error"), run.get("cause"))
    output = json.loads(run["output"])
    assert (output["status"], output["started_by"]) == ("promoted", "drift"), output
    after = state.item(own, "champion")
    assert after["run"] != before["run"]
    assert after["dataset_version"] != before["dataset_version"]
    newest = state.history(own)[0]
    assert (newest["reason"], newest["status"]) == ("drift", "promoted")
    # Killed trainings have counted no picture twice.
    assert reviewed(cloud, after["dataset_version"]) == 2 * WINDOW

    learnt = right(cloud, unseen)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"right at dusk": {"before": ignorant, "after": learnt}}) + "\n")
    assert learnt > ignorant + 0.05

    # The same traffic is no reason to train for ever: the baseline is of others still, and what it asks has its answer.
    cloud.client("dynamodb").delete_item(
        TableName=cloud.outputs["StateTableName"], Key={"id": {"S": "retraining"}}
    )
    for hour in range(2, 4):
        classify(cloud, f"hour-{hour}", [at_dusk(each) for each in drawings(201 + hour, WINDOW)])
        said = analysed(cloud)
        assert (said["windows"][0]["verdict"], said["retraining"]) == ("drift", "not called for"), said

    arguments = ["destroy", "--all", "--force", "-c", f"env={ENV}", "-c", f"settings={cloud.overlay}"]
    run_cdk(cloud.instance, arguments, project=ROOT, output=tmp_path / "destroy")
    assert cloud.instance.denials() == []
