"""What is said of a shadow model beside the one that answered, and which reviews may say it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from scipy import stats

from tests.unit.training.shadows import OTHER, SHADOW, analyze, captured, deliver
from tests.unit.training.traffic import MODEL, START, Line, World
from tests.unit.training.traffic import Traffic as Drawn

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.baseline()
    return made


def decisions(count: int, *, unsure: int = 0) -> list[Line]:
    """Draw decisions, the first of them left to people."""
    return [
        {**each, "outcome": "review" if number < unsure else "routed", "sampled": number >= unsure}
        for number, each in enumerate(Drawn(2).lines(count, START))
    ]


def review(world: World, line: Line, said: str, *, sampled: bool = True) -> None:
    same = {name: line[name] for name in ("decision_id", "outcome", "model_version")}
    changes = {**same, "class": said, "predicted": line["class"], "sampled": sampled}
    world.review(0, START, changes=changes)


def compared(world: World, lines: list[Line], answers: list[Line]) -> Line:
    world.log("a", lines)
    deliver(world, "a", answers)
    found: Line = analyze(world, START + HOUR)["shadow"]
    return found


def test_fewer_pairs_than_a_window_needs_are_too_few(world: World) -> None:
    lines = decisions(49)
    found = compared(world, lines, [captured(each) for each in lines])
    assert (found["verdict"], found["pairs"]) == ("too few", 49)
    assert found["reason"] == "49 pictures were answered by both models, and it takes 50."


def test_a_shadow_without_any_pair_has_no_figures(world: World) -> None:
    found = compared(world, [], [captured(each) for each in decisions(3)])
    assert (found["pairs"], found["agreement"], found["abstain_rate"]) == (0, None, None)
    assert found["verdict"] == "too few"


def test_the_agreement_has_an_exact_interval(world: World) -> None:
    lines = decisions(200, unsure=10)
    turned = [captured(each, label=OTHER[each["class"]]) for each in lines[20:26]]
    found = compared(world, lines, [captured(each) for each in lines[:20] + lines[26:]] + turned)
    exact = stats.binomtest(194, 200).proportion_ci(0.95, method="exact")
    assert found["agreement"] == 0.97
    assert found["interval"] == pytest.approx([exact.low, exact.high])
    assert (found["abstain_rate"], found["abstain_rate_beside"]) == (0.05, 0.05)
    assert (found["verdict"], found["model_version"], found["beside"]) == ("as good", SHADOW, MODEL)


@pytest.mark.parametrize(("shadow_right", "verdict"), [(True, "better"), (False, "worse")])
def test_reviews_of_pictures_that_both_were_sure_of_decide(
    world: World, shadow_right: bool, verdict: str
) -> None:
    lines = decisions(200)
    answers = [captured(each) for each in lines[9:]]
    answers += [captured(each, label=OTHER[each["class"]]) for each in lines[:9]]
    for each in lines[:9]:
        review(world, each, OTHER[each["class"]] if shadow_right else each["class"])
    for each in lines[9:40]:
        review(world, each, each["class"])
    review(world, lines[40], "none")
    found = compared(world, lines, answers)
    right = (40, 31) if shadow_right else (31, 40)
    assert (found["reviewed"], found["right"], found["right_beside"]) == (40, *right)
    assert found["verdict"] == verdict
    assert found["reason"].startswith("Of 40 reviewed pictures that both were sure of")


def test_differences_that_chance_explains_decide_nothing(world: World) -> None:
    lines = decisions(200)
    answers = [captured(each) for each in lines[10:]]
    answers += [captured(each, label=OTHER[each["class"]]) for each in lines[:10]]
    for number, each in enumerate(lines[:10]):
        review(world, each, each["class"] if number < 7 else OTHER[each["class"]])
    found = compared(world, lines, answers)
    assert (found["right"], found["right_beside"], found["verdict"]) == (3, 7, "as good")


def test_a_review_counts_once_whenever_it_comes(world: World) -> None:
    lines = decisions(80)
    world.log("a", lines)
    for each in lines[:10]:
        review(world, each, each["class"])  # before there is a pair
    analyze(world, START + HOUR, report="one")
    deliver(world, "a", [captured(each) for each in lines])
    assert analyze(world, START + 2 * HOUR, "one", "two")["shadow"]["reviewed"] == 10
    for each in lines[5:20]:
        review(world, each, each["class"])
    late = analyze(world, START + 3 * HOUR, "two", "three")
    assert (late["counts"]["reviews"], late["shadow"]["reviewed"]) == (10, 20)


def test_reviews_of_what_the_model_was_unsure_of_make_no_shadow_look_better(world: World) -> None:
    lines = decisions(200, unsure=30)
    for each in lines[:30]:  # it is wrong on all of them, which is why it was unsure
        review(world, each, OTHER[each["class"]], sampled=False)
    answers = [captured(each, label=OTHER[each["class"]]) for each in lines[:30]]
    found = compared(world, lines, answers + [captured(each) for each in lines[30:]])
    assert (found["reviewed"], found["alone_reviewed"], found["verdict"]) == (0, 0, "as good")


def test_reviews_of_what_the_shadow_was_unsure_of_make_it_look_no_worse(world: World) -> None:
    lines = decisions(300)
    for each in lines[:20]:
        review(world, each, each["class"])
    answers = [captured(each, label=OTHER[each["class"]], confident=False) for each in lines[:20]]
    found = compared(world, lines, answers + [captured(each) for each in lines[20:]])
    assert (found["reviewed"], found["verdict"]) == (0, "as good")


@pytest.mark.parametrize(("more", "verdict"), [(19, "as good"), (20, "worse")])
def test_leaving_much_more_to_people_is_worse(world: World, more: int, verdict: str) -> None:
    lines = decisions(200, unsure=10)
    answers = [captured(each, confident=number >= 10 + more) for number, each in enumerate(lines)]
    found = compared(world, lines, answers)
    assert (found["abstain_rate"], found["verdict"]) == ((10 + more) / 200, verdict)


@pytest.mark.parametrize(
    ("reviewed", "wrong", "verdict"),
    [(0, 0, "as good"), (9, 0, "as good"), (10, 0, "better"), (10, 6, "worse")],
)
def test_leaving_less_to_people_is_better_only_where_its_routes_can_be_trusted(
    world: World, reviewed: int, wrong: int, verdict: str
) -> None:
    lines = decisions(200, unsure=30)
    for number, each in enumerate(lines[:reviewed]):
        review(world, each, "none" if number < wrong else each["class"], sampled=False)
    found = compared(world, lines, [captured(each, confident=True) for each in lines])
    assert (found["alone_reviewed"], found["alone_wrong"]) == (reviewed, wrong)
    assert found["verdict"] == verdict


def test_sure_answers_of_other_classes_say_nothing_until_people_have_looked(world: World) -> None:
    lines = decisions(200)
    answers = [captured(each, label=OTHER[each["class"]]) for each in lines[:20]]
    answers += [captured(each) for each in lines[20:]]
    found = compared(world, lines, answers)
    assert found["verdict"] == "too few"
    assert found["reason"].startswith("Of 200 pictures that both were sure of they gave 20 different classes")
    for number, each in enumerate(lines[:10]):
        review(world, each, each["class"] if number % 2 else OTHER[each["class"]])
    assert analyze(world, START + 2 * HOUR, "report", "next")["shadow"]["verdict"] == "as good"
