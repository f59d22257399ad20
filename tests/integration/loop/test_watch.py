"""What the watch sees of a long traffic, what a kill costs it, and what a pause stops: all on the local cloud.

Twenty clean windows are quiet, each shift is named within two windows, an analysis that dies anywhere counts nothing
twice, a model that goes wrong in its first hours gives way to the one before, a deployment over a paused endpoint is
refused, and destroying it leaves nothing.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.shifts import FOREIGN, SHIFTS
from localcloud.cdk import run_cdk
from localcloud.errors import CdkError
from localcloud.inventory import inventory, leftovers
from scones import pausing, state, versions
from scones.runs import run
from scones.target import of_instance
from tests.integration.loop.archives import with_app
from tests.integration.loop.jobs import job
from tests.integration.workflow.conftest import OVERLAY, PREFIX, ROOT, Deployment, standing, until
from tests.integration.workflow.scenarios import throws
from tests.integration.workflow.traffic import (
    Labelled,
    analysed,
    classify,
    counted,
    drawings,
    ringing,
    start,
    told,
)
from tests.integration.workflow.traffic import state as remembered
from training.drawings import draw_candidates

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ENV = "prod"
WINDOW = 60
CLEAN = 20
"""Windows."""
ANSWERED = "            answer = await self._answer(request, timings)\n"
"""The line of the serving application after which a version falls ill."""
ONE_SIDED = """            if "class" in answer:
                self._asked = getattr(self, "_asked", 0) + 1
                if self._asked > 8:
                    answer = {**answer, "class": "bicycle"}
"""
"""It answers the six pictures of a smoke test, and then sees bicycles alone."""
Redrawn = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that trains nothing by itself: what is asked here is what it sees."""
    overlay = OVERLAY.replace("window_images = 40", f"window_images = {WINDOW}\nretrain = false")
    # A fifth of the pictures is the baseline of the answers: of two dozen, no mix could be called shifted.
    overlay = overlay.replace("per_class = 60", "per_class = 200")
    with standing(tmp_path_factory.mktemp("cloud"), overlay, time_scale=0.01) as found:
        yield found


def changed(pictures: list[Labelled], change: Redrawn) -> list[Labelled]:
    """Return pictures as a camera has them that something was done to."""
    made = []
    for label, content in pictures:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(content)) as opened:
            change(opened.convert("RGB")).save(buffer, "PNG")
        made.append((label, buffer.getvalue()))
    return made


def scones(number: int) -> list[Labelled]:
    """Draw what no class of this classifier is."""
    _, found = draw_candidates(FOREIGN, number // 2, 501)
    return [(each.label, each.data) for each in found]


def mostly(label: str, number: int) -> list[Labelled]:
    """Draw nineteen of one class for each of the other."""
    found = drawings(502, 2 * number)
    own = [each for each in found if each[0] == label][: number - number // 20]
    mixed = own + [each for each in found if each[0] != label][: number // 20]
    random.Random(0).shuffle(mixed)  # noqa: S311  # an order, no secret
    return mixed


def test_clean_traffic_is_quiet_for_twenty_windows(cloud: Deployment) -> None:
    for number in range(CLEAN):
        classify(cloud, f"clean-{number}", drawings(401 + number, WINDOW))
        if number % 5 == 4:
            analysed(cloud)
    history = remembered(cloud)["history"]
    assert [each["verdict"] for each in history] == ["clean"] * CLEAN
    assert sum(each["images"] for each in history) == CLEAN * WINDOW
    assert ringing(cloud) == set()


@pytest.mark.parametrize(
    ("shift", "kind", "metric"),
    [
        ("new objects", "embedding", "EmbeddingDrift"),
        ("class mix", "classes", "ClassMixDrift"),
        ("blur", "input", "InputDrift"),
        ("darkening", "input", "InputDrift"),
        ("colour shift", "input", "InputDrift"),
    ],
)
def test_a_shift_is_named_within_two_windows(cloud: Deployment, shift: str, kind: str, metric: str) -> None:
    if shift == "new objects":
        pictures = scones(2 * WINDOW)
    elif shift == "class mix":
        pictures = mostly("bicycle", 2 * WINDOW)
    else:
        pictures = changed(drawings(503, 2 * WINDOW), SHIFTS[shift][1])
    classify(cloud, shift.replace(" ", "-"), pictures)
    windows = analysed(cloud)["windows"]
    assert len(windows) == 2
    assert any(kind in each["kinds"] for each in windows), windows
    assert metric in told(cloud)
    assert {metric, "any"} <= ringing(cloud)


def status(cloud: Deployment, execution: str) -> str:
    """Wait for an execution's end, and return its status."""
    client = cloud.client("stepfunctions")

    def ended() -> str | None:
        found = str(client.describe_execution(executionArn=execution)["status"])
        return None if found == "RUNNING" else found

    return until(ended, 120, "the end of the analysis")


def killed_job(cloud: Deployment) -> None:
    execution = start(cloud)
    job(cloud, "analyze.py", 60).kill()
    assert status(cloud, execution) == "FAILED"


def stopped_execution(cloud: Deployment) -> None:
    execution = start(cloud)
    job(cloud, "analyze.py", 60)
    cloud.client("stepfunctions").stop_execution(executionArn=execution)
    assert status(cloud, execution) == "ABORTED"


def failed_after_its_metrics(cloud: Deployment) -> None:
    machine = cloud.outputs["AnalysisStateMachineArn"].rpartition(":")[2]
    mocks = {
        "StateMachines": {machine: {"TestCases": {"dies": {"CommitState": "dies"}}}},
        "MockedResponses": {"dies": {"0-9": throws("States.Timeout")}},
    }
    cloud.mocks.write_text(json.dumps(mocks))
    assert status(cloud, start(cloud, "dies")) == "FAILED"


@pytest.mark.parametrize("death", [killed_job, stopped_execution, failed_after_its_metrics])
def test_an_analysis_that_dies_counts_nothing_and_the_next_one_counts_once(
    cloud: Deployment, death: Callable[[Deployment], None]
) -> None:
    if not state.item(of_instance(cloud.instance, name="scones", env=ENV, classifier="vehicles"), "analysis"):
        analysed(cloud)
    before = counted(cloud)
    classify(cloud, death.__name__, drawings(504, WINDOW))
    death(cloud)
    assert counted(cloud) == before
    analysed(cloud)
    assert counted(cloud) == (before[0] + WINDOW, before[1] + WINDOW)
    analysed(cloud)
    assert counted(cloud) == (before[0] + WINDOW, before[1] + WINDOW)


def test_a_new_model_that_its_first_traffic_speaks_against_is_rolled_back(cloud: Deployment) -> None:
    target = of_instance(cloud.instance, name="scones", env=ENV, classifier="vehicles")
    classify(cloud, "before", drawings(505, WINDOW))
    analysed(cloud)
    champion = state.item(target, "champion")
    assert run(target, {"start": "package", "shadow": True}, print).status == "shadowing"
    waiting = versions.in_shadow(versions.versions(target), versions.champion(target))
    package = cloud.client("sagemaker").describe_model_package(ModelPackageName=waiting.arn)
    place = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    bucket, _, key = place.removeprefix("s3://").partition("/")
    s3 = cloud.client("s3")
    healthy = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=with_app(healthy, ANSWERED, ANSWERED + ONE_SIDED))
    assert versions.promote(target, None, print).status == "promoted"
    assert state.item(target, "champion")["run"] == waiting.run

    classify(cloud, "one-sided", drawings(506, WINDOW))
    # Nobody goes back to what the registry has as rejected, such as by a rollback that failed; a training may follow.
    mark = {
        "ModelPackageArn": champion["model_package_arn"],
        "ApprovalDescription": "RolloutError: No such image.",
    }
    sagemaker = cloud.client("sagemaker")
    sagemaker.update_model_package(**mark, ModelApprovalStatus="Rejected")
    said = analysed(cloud)
    assert (said["rollback"], said["retraining"]) == ("not possible", "switched off by the settings"), said
    sagemaker.update_model_package(**mark, ModelApprovalStatus="Approved")
    said = analysed(cloud)
    assert (said["rollback"], said["retraining"]) == ("started", "not called for"), said
    machine, states = cloud.outputs["TrainingStateMachineArn"], cloud.client("stepfunctions")

    def rollbacks() -> list[str]:
        """Return the rollbacks that analyses started, the newest first."""
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        return [each["executionArn"] for each in listed if each["name"].startswith("rollback-")]

    # It dies in the middle: the condemned model comes back, stays condemned and on trial, and is gone back from again.
    condemned = state.item(target, "champion")
    (dying,) = rollbacks()
    until(
        lambda: sagemaker.describe_endpoint(EndpointName=PREFIX)["EndpointStatus"] == "Updating" or None,
        60,
        "the rollout",
    )
    states.stop_execution(executionArn=dying)
    until(lambda: state.history(target)[0]["reason"] == "settle" or None, 300, "the look at what it left")
    assert state.item(target, "champion") == condemned
    (rejected,) = [each for each in versions.versions(target) if each.arn == waiting.arn]
    assert rejected.status == "Rejected"
    assert analysed(cloud)["rollback"] == "started"
    back = next(each for each in rollbacks() if each != dying)
    assert status(cloud, back) == "SUCCEEDED"
    assert state.item(target, "champion")["run"] == champion["run"]
    assert state.history(target)[0]["reason"] == "live-check"
    (rejected,) = [each for each in versions.versions(target) if each.arn == waiting.arn]
    assert rejected.status == "Rejected"
    assert rejected.why.startswith("LiveCheckError: ")
    assert "classes" in rejected.why
    assert analysed(cloud)["rollback"] == "not called for"


def test_a_paused_deployment_refuses_new_training_code_and_is_destroyed_whole(
    cloud: Deployment, tmp_path: Path
) -> None:
    target = of_instance(cloud.instance, name="scones", env=ENV, classifier="vehicles")
    assert pausing.pause(target, print).startswith("paused")
    other = tmp_path / "other.toml"
    other.write_text(cloud.overlay.read_text().replace("epochs = 3", "epochs = 4"))

    def cdk(command: str, overlay: Path, *more: str) -> None:
        context = ["-c", f"env={ENV}", "-c", f"settings={overlay}"]
        run_cdk(cloud.instance, [command, "--all", *more, *context], project=ROOT, output=tmp_path / command)

    with pytest.raises(CdkError, match="scones resume"):
        cdk("deploy", other, "--require-approval", "never")
    assert state.item(target, "paused")
    assert cloud.client("sagemaker").list_endpoints()["Endpoints"] == []
    # As before, what is there is destroyed: the update was rolled back.
    cdk("destroy", cloud.overlay, "--force")
    assert leftovers(cloud.before, inventory(cloud.instance)) == []
    assert cloud.instance.denials() == []
