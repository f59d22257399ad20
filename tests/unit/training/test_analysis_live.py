"""A new model gives way only when its live traffic speaks against it, and not against the traffic."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.traffic import MODEL, START, Line, Traffic, World
from training.analysis import state
from training.analysis.live import Trials

HOUR = timedelta(hours=1)
NEW = "fedcba987654"
MIX: dict[str, Any] = {"bicycles": 0.2}
DOUBT: dict[str, Any] = {"doubt": 0.1}
DARK: dict[str, Any] = {"shifted": {"brightness": -0.1}}
MOVED: dict[str, Any] = {"moved": 1.0}
POOR, GOOD = 5, 0


class Rollout:
    """Windows of two models in the order in which they are told, each an hour and an analysis of its own.

    The model of the last window of pictures is the champion, except where it is a canary.
    """

    def __init__(self, world: World) -> None:
        self.world, self.traffic, self.hours, self.previous = world, Traffic(2), 0, ""
        self.champion = MODEL

    @property
    def now(self) -> datetime:
        return START + self.hours * HOUR

    def window(self, model: str, *more: str, canary: bool = False, **shift: Any) -> Line:
        self.champion = self.champion if canary else model
        self.world.log(f"w{self.hours}", self.traffic.lines(200, self.now, model=model, **shift), self.now)
        return self.analyze(*more)

    def reviews(self, model: str, wrong: int, *more: str) -> Line:
        for number in range(50):
            self.world.review(
                1000 * self.hours + number,
                self.now + number * timedelta(seconds=1),
                right=number >= wrong,
                changes={"model_version": model},
            )
        return self.analyze(*more)

    def analyze(self, *more: str) -> Line:
        self.hours += 1
        more = more if "--predecessor" in more else ("--predecessor", MODEL, *more)
        more = ("--champion", self.champion, *more)
        found = self.world.analyze(self.now, self.previous, f"run{self.hours}", *more)
        self.previous = f"run{self.hours}"
        return found


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    world = World(tmp_path)
    world.baseline()
    world.baseline(seed=7, model=NEW)
    return Rollout(world)


@pytest.mark.parametrize(("shift", "kind"), [(MIX, "classes"), (DOUBT, "confidence")])
def test_answers_that_drift_where_the_pictures_do_not_take_a_new_model_back(
    rollout: Rollout, shift: dict[str, Any], kind: str
) -> None:
    assert rollout.window(MODEL, "--predecessor", "none")["rollback"] == {
        "wanted": False,
        "reason": "No champion is known that served before it.",
    }
    found = rollout.window(NEW, **shift)
    assert found["rollback"]["wanted"]
    reason = found["rollback"]["reason"]
    assert f"the answers of the new model {NEW} drifted ({kind} by 0." in reason
    assert "The window of 200 pictures that ended 2026-11-20T09:03:19Z" in reason
    assert reason.endswith(f"none of the windows judged last of model {MODEL} (1) says so.")
    report = rollout.world.folder / rollout.previous / "report.html"
    assert f"the new model {NEW} drifted" in report.read_text()


def test_poor_quality_takes_a_new_model_back(rollout: Rollout) -> None:
    rollout.reviews(MODEL, GOOD)
    rollout.window(NEW)
    found = rollout.reviews(NEW, POOR)["rollback"]
    assert found["wanted"]
    assert "5 of 50 sampled sure answers were wrong" in found["reason"]


def test_a_clean_new_model_stays(rollout: Rollout) -> None:
    rollout.window(MODEL)
    found = rollout.window(NEW)["rollback"]
    reason = f"Nothing speaks against model {NEW}, on trial by its predictions and reviews."
    assert found == {"wanted": False, "reason": reason}
    assert not rollout.reviews(NEW, GOOD)["rollback"]["wanted"]


@pytest.mark.parametrize("shift", [DARK, MOVED, {**MIX, **DARK}, {**DOUBT, **MOVED}])
def test_drift_of_the_pictures_is_the_traffics(rollout: Rollout, shift: dict[str, Any]) -> None:
    rollout.window(MODEL)
    found = rollout.window(NEW, **shift)
    assert found["windows"][0]["verdict"] == "drift"
    assert not found["rollback"]["wanted"]


def test_what_the_model_before_raised_too_is_the_traffics(rollout: Rollout) -> None:
    rollout.window(MODEL, **MIX)
    rollout.window(MODEL)  # by chance the very last one did not
    assert not rollout.window(NEW, **MIX)["rollback"]["wanted"]
    assert rollout.window(NEW, **DOUBT)["rollback"]["wanted"]


def test_quality_that_was_poor_before_takes_no_model_back(rollout: Rollout) -> None:
    rollout.window(MODEL)
    rollout.reviews(MODEL, POOR)
    rollout.window(NEW)
    assert not rollout.reviews(NEW, POOR)["rollback"]["wanted"]


def test_after_three_windows_of_pictures_they_are_the_traffics(rollout: Rollout) -> None:
    rollout.window(MODEL)
    for _ in range(3):
        assert not rollout.window(NEW)["rollback"]["wanted"]
    assert not rollout.window(NEW, **MIX)["rollback"]["wanted"]
    # What people say has a trial of its own, for a window of it takes the pictures of many others.
    assert rollout.reviews(NEW, POOR)["rollback"]["wanted"]


def test_after_two_windows_of_reviews_they_ask_for_training(rollout: Rollout) -> None:
    rollout.window(MODEL)
    rollout.window(NEW)
    rollout.reviews(NEW, GOOD)
    rollout.reviews(NEW, GOOD)
    rollout.reviews(NEW, POOR)
    found = rollout.reviews(NEW, POOR)
    assert not found["rollback"]["wanted"]
    for _ in range(2):
        rollout.window(NEW)
    assert rollout.analyze()["rollback"]["reason"] == f"Model {NEW} has passed its trial."
    assert found["retrain"]["trigger"] == "quality"


def test_a_trial_that_ends_within_one_analysis_is_decided(rollout: Rollout) -> None:
    rollout.window(MODEL)
    bad = rollout.traffic.lines(200, rollout.now, model=NEW, **MIX)
    good = rollout.traffic.lines(800, rollout.now + HOUR / 2, model=NEW)
    rollout.champion = NEW
    rollout.world.log("many", bad + good, rollout.now)
    found = rollout.analyze()
    assert (found["windows_closed"], found["rollback"]["wanted"]) == (5, True)
    # Whoever could not follow that, because a training held the endpoint, is asked again.
    assert rollout.analyze()["rollback"] == found["rollback"]


def test_what_follows_a_trial_within_one_analysis_is_no_part_of_it(rollout: Rollout) -> None:
    rollout.window(MODEL)
    good = rollout.traffic.lines(600, rollout.now, model=NEW)
    bad = rollout.traffic.lines(200, rollout.now + HOUR / 2, model=NEW, **MIX)
    rollout.champion = NEW
    rollout.world.log("many", good + bad, rollout.now)
    found = rollout.analyze()
    assert [each["verdict"] for each in found["windows"]] == ["clean", "clean", "clean", "drift"]
    reason = f"Nothing speaks against model {NEW}, on trial by its reviews."
    assert found["rollback"] == {"wanted": False, "reason": reason}


def test_a_trial_that_is_not_over_repeats_what_it_wants(rollout: Rollout) -> None:
    rollout.window(MODEL)
    rollout.window(NEW, **MIX)
    assert rollout.analyze()["rollback"]["wanted"]


def test_windows_that_are_not_judged_are_no_trial(rollout: Rollout) -> None:
    rollout.window(MODEL)
    small = ("--minimum-images", "201")
    for _ in range(3):
        assert not rollout.window(NEW, *small, **MIX)["rollback"]["wanted"]
    assert rollout.window(NEW, **MIX)["rollback"]["wanted"]


def test_windows_from_before_the_promotion_do_not_count(rollout: Rollout) -> None:
    rollout.window(MODEL)
    rollout.window(NEW, canary=True, **MIX)
    rollout.champion = NEW
    promoted = ("--promoted", rollout.now.isoformat())
    assert not rollout.analyze(*promoted)["rollback"]["wanted"]
    assert rollout.window(NEW, *promoted, **MIX)["rollback"]["wanted"]


def test_a_trial_that_is_over_does_not_come_again_when_its_windows_are_forgotten(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_HISTORY", 4)
    rollout.window(MODEL)
    for shift in (*[{}] * 3, *[MIX] * 5):
        assert not rollout.window(NEW, **shift)["rollback"]["wanted"]
    for wrong in (GOOD, GOOD, *[POOR] * 5):
        assert not rollout.reviews(NEW, wrong)["rollback"]["wanted"]
    assert rollout.analyze()["rollback"]["reason"] == f"Model {NEW} has passed its trial."


def test_what_excuses_a_model_is_remembered_as_long_as_its_trial(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_HISTORY", 4)
    rollout.window(MODEL, **MIX)
    rollout.reviews(MODEL, POOR)
    for _ in range(6):
        assert not rollout.window(NEW, **MIX)["rollback"]["wanted"]
    assert not rollout.reviews(NEW, POOR)["rollback"]["wanted"]


def test_what_a_trial_wants_is_not_forgotten_with_the_history(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_HISTORY", 4)
    rollout.window(MODEL)
    rollout.window(NEW, **MIX)
    for _ in range(5):
        assert rollout.window(NEW)["rollback"]["wanted"]


def test_a_champion_that_is_recorded_again_is_not_on_trial_again(rollout: Rollout) -> None:
    rollout.window(MODEL)
    for _ in range(3):
        rollout.window(NEW)
    resumed = ("--promoted", rollout.now.isoformat())
    assert not rollout.window(NEW, *resumed, **MIX)["rollback"]["wanted"]


def test_a_model_that_served_before_is_not_on_trial(rollout: Rollout) -> None:
    rollout.window(MODEL)
    rollout.window(NEW)
    for model, before in ((MODEL, NEW), (NEW, MODEL)):
        found = rollout.window(model, "--predecessor", before, **MIX)["rollback"]
        assert found == {"wanted": False, "reason": f"Model {model} has passed its trial."}


@pytest.mark.parametrize(("windows", "wanted"), [(1, True), (4, False)])
def test_a_state_without_trials_tells_by_its_windows_who_is_on_trial(
    rollout: Rollout, windows: int, *, wanted: bool
) -> None:
    rollout.window(MODEL)
    for _ in range(windows):
        rollout.window(NEW)
    forget_trials(rollout)
    assert rollout.window(NEW, **MIX)["rollback"]["wanted"] is wanted
    # It had no window of reviews yet.
    assert rollout.reviews(NEW, POOR)["rollback"]["wanted"]


def test_whoever_fills_the_history_of_a_state_without_trials_was_promoted_long_ago(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_HISTORY", 2)
    for model in (MODEL, NEW, NEW):
        rollout.window(model)
    forget_trials(rollout)
    assert not rollout.window(NEW, **MIX)["rollback"]["wanted"]
    assert not rollout.reviews(NEW, POOR)["rollback"]["wanted"]


def forget_trials(rollout: Rollout) -> None:
    """Leave a state as an earlier version wrote it."""
    path = rollout.world.folder / rollout.previous / "state.json"
    content = json.loads(path.read_text())
    del content["trials"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("days", "wanted"), [(1, True), (30, False)])
def test_an_analysis_that_begins_anew_tries_only_a_model_whose_first_windows_it_can_know(
    rollout: Rollout, days: int, *, wanted: bool
) -> None:
    promoted = ("--promoted", (START - timedelta(days=days)).isoformat())
    assert rollout.window(NEW, *promoted, **MIX)["rollback"]["wanted"] is wanted


def test_a_canary_that_failed_is_no_champion_before(rollout: Rollout) -> None:
    for _ in range(3):
        rollout.window(MODEL, **MIX)
    rollout.world.log("canary", rollout.traffic.lines(12, rollout.now, model="bbbbbbbbbbbb"), rollout.now)
    rollout.analyze()
    # It raises what the champion before raised as well, and not what the canary of another did not.
    assert not rollout.window(NEW, **MIX)["rollback"]["wanted"]


def test_a_model_before_that_was_never_judged_may_serve_again(rollout: Rollout) -> None:
    rollout.window("aaaaaaaaaaaa")
    found = rollout.window(NEW, "--predecessor", "aaaaaaaaaaaa", **MIX)["rollback"]
    assert found["wanted"]
    assert found["reason"].endswith("of model aaaaaaaaaaaa no window was judged.")


def test_without_a_champion_nothing_is_taken_back() -> None:
    assert Trials().decide("", "") == {
        "wanted": False,
        "reason": "No champion is known that served before it.",
    }
