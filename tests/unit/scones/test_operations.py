"""Rollback, pause, resume, history and cost, as the command line does them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from scones import cli, costs, pausing, runs, target, versions
from scones.errors import LockedError, NotDeployedError, SconesError, TrainingError, VersionError
from scones.runs import UnderWay
from scones.versions import Version, choose
from scones.workflow import End
from tests.unit.scones.fakes import FakeCloud

runner = CliRunner()


def version(number: int, *, status: str = "Approved", live: bool = False) -> Version:
    return Version(number, f"arn:{number}", f"run{number}", "0.9", "data", status, "", "2026-01-01", live)


FOUND = [version(4), version(3, live=True), version(2, status="Rejected"), version(1)]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr(target, "choose", lambda **_: fake.target())
    monkeypatch.setattr(pausing, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(pausing, "SETTLING_SECONDS", 0.05)
    return fake


def test_the_last_good_version_before_the_champion_is_chosen_when_none_is_named() -> None:
    assert choose(FOUND, None, 3).version == 1
    assert choose(FOUND, 2, 3).version == 2
    assert choose(FOUND, 4, 3).version == 4


@pytest.mark.parametrize(
    ("found", "wanted", "champion", "said"),
    [
        (FOUND, 3, 3, "is the champion already"),
        (FOUND, 9, 3, "no version 9"),
        ([version(1)], None, 0, "no champion to go back from"),
        ([version(1, live=True)], None, 1, "no good version before"),
    ],
)
def test_it_says_why_when_there_is_nothing_to_go_back_to(
    found: list[Version], wanted: int | None, champion: int, said: str
) -> None:
    with pytest.raises(VersionError, match=said):
        choose(found, wanted, champion)


def test_there_is_a_way_back_from_a_champion_that_was_deleted_from_the_registry() -> None:
    left = [each for each in FOUND if not each.live]
    assert choose(left, None, 3).version == 1
    assert choose(left, 2, 3).version == 2


def test_a_version_in_the_shadow_is_promoted_and_never_gone_back_to(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = version(2, status="PendingManualApproval")
    # The newest was never rolled out: its run was ended before.
    newest = version(5, status="PendingManualApproval")
    shadowing = replace(version(4, status="PendingManualApproval"), why="In the shadow of run3 since now.")
    found = [newest, shadowing, version(3, live=True), waiting, version(1)]
    assert choose(found, None, 3).version == 1
    asked = []
    monkeypatch.setattr(versions, "versions", lambda _: found)
    monkeypatch.setattr(versions, "champion", lambda _: 3)

    def run(_: Any, request: dict[str, str], __: Any) -> End:
        asked.append(request)
        return End("promoted", "", {}, 1.0)

    monkeypatch.setattr(versions, "run", run)
    assert runner.invoke(cli.app, ["promote"]).exit_code == 0
    assert runner.invoke(cli.app, ["promote", "2"]).exit_code == 0
    assert [each["package"] for each in asked] == ["arn:4", "arn:2"]
    assert {(each["start"], each["reason"]) for each in asked} == {("rollback", "promote")}
    # What the endpoint has in its shadow is there, whether or not its run came to say so.
    cloud.endpoint = {"EndpointConfigName": "scones-dev-vehicles-run5-shadow"}
    assert runner.invoke(cli.app, ["promote"]).exit_code == 0
    assert asked[-1]["package"] == "arn:5"
    cloud.endpoint = None
    monkeypatch.setattr(versions, "versions", lambda _: [*FOUND, version(0, status="PendingManualApproval")])
    refused = runner.invoke(cli.app, ["promote"])
    assert refused.exit_code == 1
    assert "No version waits in the shadow" in refused.output


def test_the_versions_are_listed_and_nothing_is_started_when_asked_to(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "versions", lambda _: FOUND)
    monkeypatch.setattr(versions, "champion", lambda _: 3)
    shown = runner.invoke(cli.app, ["rollback", "--list", "--json"])
    assert [each["version"] for each in json.loads(shown.stdout)] == [4, 3, 2, 1]
    assert len(runner.invoke(cli.app, ["rollback", "--list"]).stdout.splitlines()) == 4


class Workflow:
    """Stands for the training workflow, and remembers what it was asked."""

    def __init__(self, cloud: FakeCloud, *, fails: bool = False) -> None:
        self.cloud, self.fails, self.asked = cloud, fails, list[str]()

    def __call__(self, _: Any, request: dict[str, str], say: Any) -> End:
        self.asked.append(request["start"])
        if self.fails:
            raise TrainingError("Another run is under way.")
        if request["start"] == "pause":
            self.cloud.items["paused"] = {"paused_at": {"S": "now"}}
            self.cloud.endpoint = None
        else:
            self.cloud.items.pop("paused", None)
            self.cloud.endpoint = {"EndpointStatus": "InService"}
        return End("done", "", {}, 1.0)


@pytest.fixture
def workflow(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    made = Workflow(cloud)
    cloud.endpoint = {"EndpointStatus": "InService"}
    monkeypatch.setattr(pausing, "run", made)
    return made


def test_pause_and_resume_act_once_when_called_twice(cloud: FakeCloud, workflow: Workflow) -> None:
    where = cloud.target()
    assert "not paused" in pausing.resume(where, print)
    assert pausing.pause(where, print).startswith("done")
    assert "already" in pausing.pause(where, print)
    assert cloud.source == "Disabled"
    assert pausing.resume(where, print).startswith("done")
    assert "not paused" in pausing.resume(where, print)
    assert cloud.source == "Enabled"
    assert workflow.asked == ["pause", "resume"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_rollback_while_paused_ends_the_pause_when_it_succeeds(
    cloud: FakeCloud, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    pausing.pause(cloud.target(), print)
    monkeypatch.setattr(versions, "versions", lambda _: FOUND)
    monkeypatch.setattr(versions, "champion", lambda _: 3)
    monkeypatch.setattr(versions, "run", workflow)
    workflow.fails = fails
    ended = runner.invoke(cli.app, ["rollback"])
    assert ended.exit_code == fails
    assert "The endpoint is paused: it is created with this version" in ended.output
    assert (cloud.source, "paused" in cloud.items) == (("Disabled", True) if fails else ("Enabled", False))
    assert workflow.asked == ["pause", "rollback"]


def test_images_are_taken_again_when_nothing_could_be_paused(cloud: FakeCloud, workflow: Workflow) -> None:
    workflow.fails = True
    with pytest.raises(TrainingError):
        pausing.pause(cloud.target(), print)
    assert cloud.source == "Enabled"


def test_an_interrupted_command_is_finished_by_another(cloud: FakeCloud, workflow: Workflow) -> None:
    where = cloud.target()
    cloud.source = "Disabled"  # a pause got so far
    assert pausing.pause(where, print).startswith("done")
    del cloud.items["paused"]  # a resumption got so far
    cloud.endpoint = {"EndpointStatus": "InService"}
    assert "serves already" in pausing.resume(where, print)
    assert cloud.source == "Enabled"


def test_a_pause_that_is_under_way_is_taken_up_and_resumed_by_nobody(
    cloud: FakeCloud, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = cloud.target()
    monkeypatch.setattr(pausing, "under_way", lambda _: UnderWay("arn:other", "pause"))
    followed = []

    def ended(_: Any, execution: str, __: Any) -> End:
        followed.append(execution)
        return workflow(where, {"start": "pause"}, print)

    monkeypatch.setattr(pausing, "ended", ended)
    with pytest.raises(SconesError, match="A pause is under way, arn:other"):
        pausing.resume(where, print)
    assert cloud.source == "Enabled"
    assert pausing.pause(where, print).startswith("done")
    assert followed == ["arn:other"]
    assert cloud.source == "Disabled"


def test_an_endpoint_that_an_ended_resumption_left_is_paused_again(
    cloud: FakeCloud, workflow: Workflow
) -> None:
    where = cloud.target()
    pausing.pause(where, print)
    cloud.endpoint = {"EndpointStatus": "InService"}  # a resumption got so far, and was ended
    assert pausing.pause(where, print).startswith("done")
    assert workflow.asked == ["pause", "pause"]
    assert "already" in pausing.pause(where, print)


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_resumption_that_is_under_way_is_waited_for_and_then_paused(
    cloud: FakeCloud, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, succeeds: bool
) -> None:
    where = cloud.target()
    pausing.pause(where, print)
    held = iter([UnderWay("arn:resume", "resume")])
    monkeypatch.setattr(pausing, "under_way", lambda _: next(held, None))

    def follow(_: Any, execution: str, __: Any) -> End:
        assert execution == "arn:resume"
        if succeeds:
            return workflow(where, {"start": "resume"}, print)
        cloud.endpoint = {"EndpointStatus": "Deleting"}  # it fails, and stays paused
        return End("failed", "It answers otherwise.", {}, 1.0, "SmokeTestError")

    monkeypatch.setattr(pausing, "follow", follow)
    assert pausing.pause(where, print).startswith("done")
    assert cloud.endpoint is None
    assert "paused" in cloud.items
    assert cloud.source == "Disabled"


def test_a_pause_that_meets_another_follows_it(
    cloud: FakeCloud, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.fails = True  # the lock is the other's
    held = iter([None, None, UnderWay("arn:other", "pause"), UnderWay("arn:other", "pause")])
    monkeypatch.setattr(pausing, "under_way", lambda _: next(held))

    def ended(_: Any, __: str, ___: Any) -> End:
        cloud.items["paused"] = {"paused_at": {"S": "now"}}
        return End("paused", "", {}, 1.0)

    monkeypatch.setattr(pausing, "ended", ended)
    assert pausing.pause(cloud.target(), print).startswith("paused")
    assert cloud.source == "Disabled"


TRAINS, SETTLES, PAUSES = (
    UnderWay("arn:train", "stage"),
    UnderWay("arn:settle", "settle"),
    UnderWay("arn:p", "pause"),
)
LOCKED = End("failed", "Another run is under way.", {}, 1.0, "LockedError")
DONE = End("promoted", "", {}, 1.0)


@dataclass
class Lock:
    """Who holds the lock at each look, and how each run that is followed ends."""

    holders: list[UnderWay | None]
    ends: list[End]
    followed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def start(self, _: Any, request: Mapping[str, str]) -> str:
        self.asked.append(request["start"])
        return "arn:mine"

    def under_way(self, _: Any) -> UnderWay | None:
        return self.holders.pop(0)

    def follow(self, _: Any, execution: str, __: Any) -> End:
        self.followed.append(execution)
        return self.ends.pop(0)

    def stop_execution(self, *, executionArn: str, **_: str) -> None:  # noqa: N803
        self.ended.append(executionArn)

    def holds(self, monkeypatch: pytest.MonkeyPatch) -> target.Target:
        for module in (runs, versions):
            monkeypatch.setattr(module, "under_way", self.under_way)
        monkeypatch.setattr(runs, "follow", self.follow)
        monkeypatch.setattr(runs, "start", self.start)
        monkeypatch.setattr(versions, "versions", lambda _: FOUND)
        monkeypatch.setattr(versions, "champion", lambda _: 3)
        monkeypatch.setattr(versions, "item", lambda *_: {})
        return target.Target("scones", "dev", "vehicles", lambda _: self, "a fake cloud")


@pytest.mark.parametrize(
    ("holders", "ends", "followed"),
    [
        ([None], [DONE], ["arn:mine"]),
        ([SETTLES], [DONE, DONE], ["arn:settle", "arn:mine"]),
        # It took the lock in between; or had it, and has ended since.
        ([None, SETTLES, SETTLES], [LOCKED, DONE, DONE], ["arn:mine", "arn:settle", "arn:mine"]),
        ([None, None, None], [LOCKED, DONE], ["arn:mine", "arn:mine"]),
    ],
)
def test_a_run_comes_after_what_settles_an_ended_one(
    monkeypatch: pytest.MonkeyPatch, holders: list[UnderWay | None], ends: list[End], followed: list[str]
) -> None:
    lock = Lock(holders, ends)
    assert runs.run(lock.holds(monkeypatch), {"start": "pause"}, print) == DONE
    assert lock.followed == followed


def test_a_run_that_another_holds_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock([None, PAUSES], [LOCKED])
    with pytest.raises(LockedError, match="Another run is under way"):
        runs.run(lock.holds(monkeypatch), {"start": "resume"}, print)


def test_a_rollback_ends_a_training_only_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock([TRAINS], [])
    with pytest.raises(LockedError, match=r"arn:train: `scones rollback --stop`"):
        versions.rollback(lock.holds(monkeypatch), None, print)
    lock = Lock([TRAINS, SETTLES], [DONE, DONE])
    assert versions.rollback(lock.holds(monkeypatch), None, print, stop=True) == DONE
    assert (lock.ended, lock.followed) == (["arn:train"], ["arn:settle", "arn:mine"])
    # What cannot be done ends nothing.
    lock = Lock([TRAINS], [])
    with pytest.raises(VersionError, match="There is no version 99"):
        versions.rollback(lock.holds(monkeypatch), 99, print, stop=True)
    assert lock.ended == []
    # The champion may be named: then the training ends, and nothing else.
    lock = Lock([UnderWay("arn:package", "package"), None], [DONE])
    assert versions.rollback(lock.holds(monkeypatch), 3, print, stop=True) == DONE
    assert (lock.ended, lock.asked) == (["arn:package"], ["settle"])
    lock = Lock([PAUSES], [])
    with pytest.raises(LockedError, match="A pause is under way"):
        versions.rollback(lock.holds(monkeypatch), None, print, stop=True)
    assert lock.ended == []


def test_the_cost_of_what_nobody_deployed_is_not_nothing(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "stacks", {"scones-dev-data": {}})
    with pytest.raises(NotDeployedError, match=r"no stack scones-dev-vehicles-training .*--classifier"):
        costs.cost(cloud.target())


def test_the_cost_is_of_what_runs_and_of_the_images_of_the_last_day(cloud: FakeCloud) -> None:
    found = costs.cost(cloud.target())
    assert found["running"] == []
    assert found["thousand_images"] == "The endpoint does not run."
    cloud.endpoint = {
        "EndpointStatus": "InService",
        "EndpointConfigName": "config",
        "CreationTime": datetime.now(UTC) - timedelta(hours=10),
    }
    assert costs.cost(cloud.target())["thousand_images"].startswith("No image was sent")
    cloud.invocations = 99.0
    assert costs.cost(cloud.target())["thousand_images"].startswith("Too early to tell: 99 invocations")
    cloud.invocations = 1000.0
    before = cloud.endpoint["CreationTime"]
    cloud.endpoint["CreationTime"] = datetime.now(UTC) - timedelta(minutes=59)
    said = costs.cost(cloud.target())["thousand_images"]
    assert said.startswith("Too early to tell: 1000 invocations in the last 59 minutes, the smoke test's")
    cloud.endpoint["CreationTime"] = before
    found = costs.cost(cloud.target())
    assert found["dollars_per_hour"] == pytest.approx(2 * 1.408 + 0.23)
    assert found["thousand_images"].startswith(
        "$28.16 at 2 instances as now, by 1000 invocations in the last 10.0 hours"
    )
    assert cloud.counted_since == cloud.endpoint["CreationTime"]  # before a pause there was another endpoint
    cloud.endpoint["ShadowProductionVariants"] = [{"VariantName": "Shadow", "CurrentInstanceCount": 1}]
    found = costs.cost(cloud.target())
    assert found["dollars_per_hour"] == pytest.approx(3 * 1.408 + 0.23)
    assert " at 3 instances as now, " in found["thousand_images"]
    assert found["invocations_last_day"] == 1000  # and no copy
    fleet = {"VariantName": "all", "CurrentInstanceCount": 2}
    cloud.endpoint["PendingDeploymentSummary"] = {
        "EndpointConfigName": "next",
        "ProductionVariants": [fleet],
        "ShadowProductionVariants": [{"VariantName": "Shadow", "CurrentInstanceCount": 0}],
    }
    found = costs.cost(cloud.target())
    assert found["dollars_per_hour"] == pytest.approx(5 * 1.408 + 0.23)  # both fleets while an update lasts
    assert [each["what"] for each in found["running"]][:3] == [
        "endpoint",
        "shadow",
        "endpoint, being put in place",
    ]
    assert " at 3 instances as now, " in found["thousand_images"]
    cloud.endpoint["EndpointStatus"] = "Creating"
    assert costs.cost(cloud.target())["dollars_per_hour"] == pytest.approx(3 * 1.408 + 0.23)
    del cloud.endpoint["ShadowProductionVariants"], cloud.endpoint["PendingDeploymentSummary"]
    shown = runner.invoke(cli.app, ["cost"])
    assert "2 x ml.g5.xlarge" in shown.stdout
    assert json.loads(runner.invoke(cli.app, ["cost", "--json"]).stdout)["unpriced"] == []


def test_where_nothing_was_trained_that_is_said_beside_an_empty_result(cloud: FakeCloud) -> None:
    shown = runner.invoke(cli.app, ["history"])
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr.endswith("\nNo training has ended yet.\n")
    assert json.loads(runner.invoke(cli.app, ["history", "--json"]).stdout) == []


def test_the_history_shows_the_latest_run_first(cloud: FakeCloud) -> None:
    for day, status in (("01", "promoted"), ("02", "failed")):
        key = f"run#2026-01-{day}#abc"
        cloud.items[key] = {"id": {"S": key}, "status": {"S": status}, "reason": {"S": "drift"}}
    rows = json.loads(runner.invoke(cli.app, ["history", "--json"]).stdout)
    assert [each["status"] for each in rows] == ["failed", "promoted"]
