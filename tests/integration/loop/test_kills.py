"""Whatever step an analysis or a retraining is killed at: the next one goes on, and nothing counts twice.

Reviewed pictures call for a training. What dies is started again by the analyses that follow, and nobody else; requests
go on all the while.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scones import state, target, versions
from tests.integration.loop.jobs import job
from tests.integration.loop.load import load
from tests.integration.loop.retrainings import answer, ended, reviewed, trainings
from tests.integration.loop.steps import ENTER_SECONDS, entered, stop_before
from tests.integration.workflow.conftest import OVERLAY, PREFIX, Deployment, standing, until
from tests.integration.workflow.traffic import analysed, classify, counted, drawings, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
BATCH = 20
"""Reviewed pictures that are worth a training."""
MOST_TRIES = 3
"""Deaths in a row, after which the cool-down holds."""
ANALYSIS_STEPS = ("PublishMetrics", "CommitState", "RollbackWanted", "StartRetraining", "MarkStarted")
"""Before each of them something was written: the report, the metrics, the state, the right to train, the start."""
COMMITTED = ANALYSIS_STEPS[2:]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of its own, whose canary is watched for seconds; nothing but reviews calls for a training."""
    overlay = OVERLAY.replace("window_images = 40", f"window_images = 1000\nenough_reviews = {BATCH}")
    # It trains ten times, and changes the endpoint as often: two instances are enough for a canary.
    for usual, small in (
        ("epochs = 3", "epochs = 2"),
        ("instance_count = 3", "instance_count = 2"),
        ("minimum_instances = 3", "minimum_instances = 2"),
        ("maximum_instances = 4", "maximum_instances = 3"),
        ('night = {start = "22:00", end = "06:00", minimum_instances = 2, timezone = "Europe/Berlin"}\n', ""),
    ):
        assert usual in overlay
        overlay = overlay.replace(usual, small)
    with standing(tmp_path, overlay, time_scale=0.01) as found:
        yield found


@dataclass
class Loop:
    """The deployment, and what should be true of it by now."""

    cloud: Deployment
    own: target.Target
    folder: Path
    champions: list[str]
    pictures: int = 0
    stopped: int = 0
    failed: int = 0
    begun: int = 0
    tries: int = 0

    def review(self) -> None:
        """Let people say what enough new pictures show."""
        pictures = drawings(601 + self.pictures, BATCH)
        answer(self.folder, classify(self.cloud, f"batch-{self.pictures}", pictures), pictures)
        self.pictures += BATCH

    def begin(self) -> str:
        """Let an analysis start the training again, and return the execution."""
        said = analysed(self.cloud)
        if self.tries == MOST_TRIES:
            assert said["retraining"] == "too soon after the last one", said
            self.wait_for_the_cooldown()
            said = analysed(self.cloud)
        assert said["retraining"] == "started", said
        self.begun, self.tries = self.begun + 1, self.tries + 1
        found = trainings(self.cloud)
        assert len(found) == self.begun
        return str(found[0]["executionArn"])

    def wait_for_the_cooldown(self) -> None:
        """Let the cool-down, which a test cannot wait for, be over."""
        self.cloud.client("dynamodb").update_item(
            TableName=self.cloud.outputs["StateTableName"],
            Key={"id": {"S": "retraining"}},
            UpdateExpression="SET #at = :long_ago",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues={":long_ago": {"S": "2026-01-01T00:00:00.000Z"}},
        )
        self.tries = 0

    def settled(self) -> None:
        """Wait for what follows a run that was stopped, and see that all agree again."""
        self.stopped += 1

        def found() -> bool | None:
            ends = [each for each in state.history(self.own) if each["reason"] == "settle"]
            return (len(ends) == self.stopped and not state.item(self.own, "lock")) or None

        until(found, ENTER_SECONDS, "the look at what it left")
        self.agree()

    def agree(self) -> None:
        """See that the table, the endpoint and the registry name one champion, and that only champions are approved."""
        champion = state.item(self.own, "champion")
        assert champion["run"] == self.champions[-1]
        assert champion["previous_run"] == (self.champions[-2] if len(self.champions) > 1 else "")
        shown = self.cloud.client("sagemaker").describe_endpoint(EndpointName=PREFIX)
        serves = (shown["EndpointStatus"], shown["EndpointConfigName"])
        assert serves == ("InService", champion["endpoint_config_name"])
        found = versions.versions(self.own)
        assert [each.run for each in found if each.live] == [champion["run"]]
        assert Counter(each.run for each in found if each.status == versions.GOOD) == Counter(self.champions)
        assert max(Counter(each.run for each in found).values()) == 1
        scaled = self.cloud.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker"
        )
        assert len(scaled["ScalableTargets"]) == 1


def analyses_are_killed(loop: Loop) -> None:
    """Kill an analysis before each of its writes but the first; the last of them starts the training."""
    machine = loop.cloud.outputs["AnalysisStateMachineArn"]
    for step in ANALYSIS_STEPS:
        stop_before(loop.cloud, machine, step, lambda: start(loop.cloud))
        committed = bool(state.item(loop.own, "analysis"))
        assert committed == (step in COMMITTED)
        if committed:
            assert counted(loop.cloud) == (BATCH, BATCH)
        assert len(trainings(loop.cloud)) == (step == ANALYSIS_STEPS[-1])


def taken_up(loop: Loop) -> str:
    """Kill the analyses; the next one takes up the training that the last of them has started, and starts none."""
    analyses_are_killed(loop)
    return loop.begin()


def stopped_before(step: str, begin: Callable[[Loop], str] = Loop.begin) -> Callable[[Loop], None]:
    """Return what stops a training when all before a step is done."""

    def dying(loop: Loop) -> None:
        machine = loop.cloud.outputs["TrainingStateMachineArn"]
        stop_before(loop.cloud, machine, step, lambda: begin(loop))
        loop.settled()

    return dying


def stopped_in(step: str) -> Callable[[Loop], None]:
    """Return what stops a training while a job of a step runs."""

    def dying(loop: Loop) -> None:
        execution = loop.begin()
        entered(loop.cloud, execution, step)
        loop.cloud.client("stepfunctions").stop_execution(executionArn=execution)
        loop.settled()

    return dying


def killed_in(script: str) -> Callable[[Loop], None]:
    """Return what kills the process of a job."""

    def dying(loop: Loop) -> None:
        loop.begin()
        job(loop.cloud, script, ENTER_SECONDS).kill()
        assert ended(loop.cloud, of=loop.begun)["status"] == "FAILED"
        loop.failed += 1
        loop.agree()

    return dying


def promoted(step: str) -> Callable[[Loop], None]:
    """Return what stops a training that has recorded its champion: what called for it has its answer."""

    def dying(loop: Loop) -> None:
        machine = loop.cloud.outputs["TrainingStateMachineArn"]
        stop_before(loop.cloud, machine, step, loop.begin)
        loop.champions.append(state.item(loop.own, "champion")["run"])
        loop.settled()
        said = analysed(loop.cloud)
        assert said["retraining"] == "not called for", said
        loop.review()

    return dying


DEATHS = {
    "packaging": stopped_before("Package", taken_up),
    "transforming": stopped_in("TransformCandidate"),
    "evaluating": killed_in("evaluate.py"),
    "registering": stopped_before("Register"),
    "registered": stopped_before("CreateEndpointConfig"),
    "updating the endpoint": stopped_before("WaitForEndpoint"),
    "recording the champion": stopped_before("RecordChampion"),
    "recorded": promoted("ApprovePackage"),
    "written down": promoted("ReleaseLock"),
}


def test_analysis_and_retraining_go_on_wherever_they_are_killed(
    cloud: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = target.of_instance(cloud.instance, name="scones", env="prod", classifier="vehicles")
    monkeypatch.setattr(target, "choose", lambda **_: own)
    loop = Loop(cloud, own, tmp_path, [state.item(own, "champion")["run"]])
    loop.agree()
    with load(cloud, askers=1, pause_seconds=1.0) as asked:
        loop.review()
        for name, death in DEATHS.items():
            logging.getLogger(__name__).info("Killed while %s", name)
            death(loop)
        loop.begin()
        run = ended(cloud, of=loop.begun)
    assert run["status"] == "SUCCEEDED", (run.get("error"), run.get("cause"))
    champion = state.item(own, "champion")
    loop.champions.append(champion["run"])
    loop.agree()
    assert analysed(cloud)["retraining"] == "not called for"

    assert champion["reason"] == "reviews"
    assert reviewed(cloud, champion["dataset_version"]) == loop.pictures
    assert counted(cloud) == (loop.pictures, loop.pictures)
    splits = "vehicles/index/splits-"
    listed = cloud.client("s3").list_objects_v2(Bucket=cloud.outputs["DatasetsBucketName"], Prefix=splits)
    assert len(listed["Contents"]) == 1 + loop.pictures // BATCH  # the first has no reviewed picture
    found = state.history(own)
    assert max(Counter(each["execution_arn"] for each in found).values()) == 1
    by_reason = Counter((each["reason"], each["status"]) for each in found)
    # The last one, and the one that was stopped when it was written down.
    assert by_reason["reviews", "promoted"] == 2
    assert by_reason["reviews", "failed"] == loop.failed
    assert by_reason["settle", "settled"] == loop.stopped
    assert len(asked) > 100
    assert all(well for _, well in asked), f"{sum(not well for _, well in asked)} of {len(asked)} failed"
    assert cloud.instance.denials() == []
