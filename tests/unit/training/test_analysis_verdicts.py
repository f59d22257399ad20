"""Each shift raises its kind, clean traffic raises nothing, and what follows from that."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.training.traffic import START, Traffic, World
from training.analysis import state
from training.analysis.drift import energy_test, holm, population_stability
from training.analysis.quality import Tally

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.baseline()
    return made


def test_twenty_clean_windows_raise_nothing(world: World) -> None:
    world.log("a", Traffic(2).lines(4_000, START))
    found = world.analyze(START + 2 * HOUR)
    assert [each["verdict"] for each in found["windows"]] == ["clean"] * 20
    assert not found["retrain"]["wanted"]


@pytest.mark.parametrize(
    ("kind", "shift"),
    [
        ("input", {"shifted": {"sharpness": -0.05}}),
        ("input", {"shifted": {"brightness": -0.05}}),
        ("input", {"shifted": {"redness": 0.05, "blueness": -0.05}}),
        ("embedding", {"moved": 0.6}),
        ("classes", {"bicycles": 0.2}),
        ("confidence", {"doubt": 0.1}),
    ],
)
def test_a_shift_raises_its_kind_and_no_other(world: World, kind: str, shift: dict[str, Any]) -> None:
    world.log("a", Traffic(2).lines(200, START, **shift))
    (window,) = world.analyze(START + HOUR)["windows"]
    assert (window["verdict"], window["kinds"]) == ("drift", [kind])


def test_a_trifle_in_a_huge_window_is_none(world: World) -> None:
    world.log("a", Traffic(2).lines(10_000, START, shifted={"brightness": 0.012}))
    (window,) = world.analyze(START + 4 * HOUR, "", "report", "--window-images", "10000")["windows"]
    (brightness,) = [each for each in window["tests"] if each["of"] == "brightness"]
    assert (brightness["score"] < 0.1, brightness["drift"]) == (True, False)


def test_two_of_three_windows_ask_for_a_new_model_and_one_does_not(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(200, START, moved=1.0))
    assert not world.analyze(START + HOUR, report="one")["retrain"]["wanted"]
    world.log("b", traffic.lines(200, START + HOUR), START + HOUR)
    assert not world.analyze(START + 2 * HOUR, "one", "two")["retrain"]["wanted"]
    world.log("c", traffic.lines(200, START + 2 * HOUR, moved=1.0), START + 2 * HOUR)
    for number in range(10):
        world.review(number, START + 2 * HOUR)
    asked = world.analyze(START + 3 * HOUR, "two", "three")["retrain"]
    assert (asked["wanted"], asked["trigger"]) == (True, "drift")
    assert asked["reason"].startswith("2 of the last 3 judged windows of predictions of model 0123456789ab")
    retrained = (START + 3 * HOUR).isoformat()
    assert not world.analyze(START + 4 * HOUR, "three", "four", "--retrained", retrained)["retrain"]["wanted"]


def test_a_drift_asks_once_people_have_said_enough_to_learn_from(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(600, START, moved=1.0))
    for number in range(9):
        world.review(number, START)
    waiting = world.analyze(START + HOUR, report="one")["retrain"]
    assert (waiting["wanted"], waiting["trigger"]) == (False, "")
    assert waiting["reason"].endswith("9 pictures were reviewed since the last training: 10 are needed.")
    world.review(9, START + HOUR)
    assert world.analyze(START + 2 * HOUR, "one", "two")["retrain"]["trigger"] == "drift"
    # What was reviewed after that training is worth another, while the drift goes on.
    later = START + 3 * HOUR
    world.log("b", traffic.lines(600, later, moved=1.0), later)
    trained = ("--retrained", later.isoformat())
    assert not world.analyze(later + HOUR, "two", "three", *trained)["retrain"]["wanted"]
    for number in range(10, 20):
        world.review(number, later + HOUR)
    assert world.analyze(later + 2 * HOUR, "three", "four", *trained)["retrain"]["trigger"] == "drift"


def test_wrong_routes_that_people_find_are_poor_quality(world: World) -> None:
    world.log("a", Traffic(2).lines(10, START))
    for number in range(100):
        world.review(number, START + number * timedelta(minutes=1), right=number % 10 != 0)
    found = world.analyze(START + 3 * HOUR)
    assert [each["verdict"] for each in found["windows"]] == ["poor", "poor"]
    assert found["windows"][0]["kinds"] == ["quality"]
    assert found["windows"][0]["routed_accuracy"] == 0.9
    assert found["retrain"]["trigger"] == "quality"


def test_poor_quality_asks_for_a_new_model_however_much_traffic_lies_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MOST_HISTORY", 3)
    traffic, previous = Traffic(2), ""
    for hour in range(6):
        at = START + hour * HOUR
        world.log("a", traffic.lines(400, at), at)
        if hour % 3 == 0:
            for number in range(50):
                world.review(100 * hour + number, at + number * timedelta(seconds=1), right=number % 5 > 0)
        found = world.analyze(at + HOUR, previous, f"run{hour}")
        previous = f"run{hour}"
        assert found["retrain"]["trigger"] == ("quality" if hour >= 3 else "")
    sources = [each["source"] for each in world.state(previous)["history"]]
    assert sorted(sources) == ["predictions"] * 3 + ["reviews"] * 2


def test_wrong_routes_that_chance_explains_are_not(world: World) -> None:
    for number in range(50):
        world.review(number, START + number * timedelta(minutes=1), right=number > 1)
    (window,) = world.analyze(START + HOUR)["windows"]
    assert (window["verdict"], window["wrong"]) == ("clean", 2)


def test_few_reviews_wait_and_are_then_too_small(world: World) -> None:
    for number in range(9):
        world.review(number, START, right=False)
    assert world.analyze(START + HOUR, report="one")["windows"] == []
    (window,) = world.analyze(START + 200 * HOUR, "one", "two")["windows"]
    assert (window["verdict"], window["kinds"]) == ("too small", [])


def test_only_sampled_sure_answers_speak_for_the_routes(world: World) -> None:
    for number in range(60):
        world.review(number, START, right=False, changes={"outcome": "review", "sampled": False})
    found = world.analyze(START + HOUR)
    assert found["windows"] == []
    assert found["quality"]["0123456789ab"]["reviewed_unsure"] == 60


def test_enough_reviewed_pictures_ask_for_a_new_model_until_there_is_one(world: World) -> None:
    for number in range(100):
        world.review(number, START)
    world.review(100, START, changes={"class": "none"})
    found = world.analyze(START + HOUR, report="one")
    assert (found["new_reviews"], found["retrain"]["trigger"]) == (100, "reviews")
    retrained = ("--retrained", (START + HOUR).isoformat())
    later = world.analyze(START + 2 * HOUR, "one", "two", *retrained)
    assert (later["new_reviews"], later["retrain"]["wanted"]) == (0, False)


def test_a_review_that_is_written_again_counts_once(world: World) -> None:
    world.review(1, START)
    world.analyze(START + HOUR, report="one")
    world.review(1, START, modified=START + 2 * HOUR)
    again = world.analyze(START + 2 * HOUR, "one", "two")["counts"]
    assert (again["reviews"], again["duplicates"]) == (0, 0)
    world.analyze(START + 300 * HOUR, "two", "three")
    assert world.state("three")["seen"] == {}
    world.review(1, START, modified=START + 301 * HOUR)
    last = world.analyze(START + 301 * HOUR, "three", "four")
    assert (last["counts"]["reviews"], last["counts"]["duplicates"], last["new_reviews"]) == (0, 1, 1)


def test_a_review_made_between_two_analyses_counts(world: World) -> None:
    world.analyze(START, report="one")
    world.review(1, START + HOUR)
    assert world.analyze(START + 2 * HOUR, "one", "two")["counts"]["reviews"] == 1


def test_accuracy_weighs_the_strata_by_their_decisions() -> None:
    found = Tally(
        sampled_right=40, sampled_wrong=0, unsure_right=5, unsure_wrong=5, sure=900, unsure=100
    ).as_dict()
    assert found["accuracy"] == pytest.approx(0.9 * 1.0 + 0.1 * 0.5)
    low, high = found["interval95"]
    assert low < found["accuracy"] < high <= 1.0
    assert found["routed_interval95"][0] == pytest.approx(0.912, abs=0.001)
    assert Tally().as_dict()["accuracy"] is None


def test_holm_lets_the_smallest_fall_first() -> None:
    assert holm([0.04, 0.001, 0.02], 0.05) == [True, True, True]
    assert holm([0.04, 0.001, 0.03], 0.05) == [False, True, False]
    assert holm([], 0.05) == []


def test_p_values_of_the_energy_distance_are_uniform_when_nothing_differs() -> None:
    random = np.random.default_rng(3)
    found = [energy_test(random.normal(size=(30, 8)), random.normal(size=(40, 8)))[0] for _ in range(150)]
    for level in (0.05, 0.2, 0.5):
        assert np.mean([p <= level for p in found]) == pytest.approx(level, abs=3 * (level / 150) ** 0.5)


def test_a_statistic_that_never_varied_shows_any_change() -> None:
    constant = np.full(500, 1024.0)
    assert population_stability(constant, np.full(200, 1024.0)) < 0.01
    assert population_stability(constant, np.full(200, 900.0)) > 5
    assert population_stability(constant, np.full(200, 2000.0)) > 5
