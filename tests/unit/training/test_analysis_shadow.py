"""A shadow's answers meet the log's decisions once each, whatever comes first, late, twice, broken or never."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.shadows import OTHER, SHADOW, analyze, captured, deliver
from tests.unit.training.traffic import MODEL, START, Line, Traffic, World

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.baseline()
    return made


def test_answers_and_decisions_meet_in_either_order_over_analyses(world: World) -> None:
    lines = Traffic(2).lines(90, START)
    answers = [captured(each) for each in lines]
    world.log("a", lines[:60])
    deliver(world, "a", answers[:30])
    first = analyze(world, START + HOUR, report="one")["shadow"]
    deliver(world, "b", answers[30:])
    second = analyze(world, START + 2 * HOUR, "one", "two")["shadow"]
    world.log("b", lines[60:])
    third = analyze(world, START + 3 * HOUR, "two", "three")["shadow"]
    assert [each["pairs"] for each in (first, second, third)] == [30, 60, 90]
    assert (third["model_version"], third["beside"], third["agreement"]) == (SHADOW, MODEL, 1.0)
    state = world.state("three")["shadow"]
    assert (state["answers"], state["decisions"]) == ({}, {})


def test_copies_of_answers_and_of_decisions_make_no_second_pair(world: World) -> None:
    lines = Traffic(2).lines(60, START)
    answers = [captured(each) for each in lines]
    world.log("a", lines)
    deliver(world, "a", answers[:40] + answers[:20])
    assert analyze(world, START + HOUR, report="one")["shadow"]["pairs"] == 40
    world.log("b", lines)
    deliver(world, "b", answers)
    assert analyze(world, START + 2 * HOUR, "one", "two")["shadow"]["pairs"] == 60
    world.log("c", lines)
    deliver(world, "c", answers)
    assert analyze(world, START + 3 * HOUR, "two", "three")["shadow"]["pairs"] == 60


def test_what_finds_no_other_waits_for_the_late_hours_and_no_longer(world: World) -> None:
    lines = Traffic(2).lines(60, START)
    world.log("a", lines[:40])
    deliver(world, "a", [captured(each) for each in lines[20:]])
    analyze(world, START + HOUR, report="one")
    state = world.state("one")["shadow"]
    assert (len(state["answers"]), len(state["decisions"])) == (20, 20)
    world.log("late", lines[40:50], START + 70 * HOUR)
    late = analyze(world, START + 71 * HOUR, "one", "two")
    assert (late["shadow"]["pairs"], late["counts"]["shadow_unmatched"]) == (30, 0)
    gone = analyze(world, START + 76 * HOUR, "two", "three")
    assert (gone["shadow"], gone["counts"]["shadow_unmatched"]) == (None, 10)
    state = world.state("three")["shadow"]
    assert (state["answers"], state["decisions"]) == ({}, {})


def test_decisions_wait_for_hours_and_not_for_days_while_no_shadow_answers(world: World) -> None:
    world.log("a", Traffic(2).lines(60, START))
    deliver(world, "empty", [])
    analyze(world, START + HOUR, report="one")
    assert len(world.state("one")["shadow"]["decisions"]) == 60
    analyze(world, START + 5 * HOUR, "one", "two")
    assert world.state("two")["shadow"]["decisions"] == {}


def test_base64_is_read_as_json_is(world: World) -> None:
    lines = Traffic(2).lines(60, START)
    world.log("a", lines)
    deliver(world, "a", [captured(each, encoding="BASE64") for each in lines])
    assert analyze(world, START + HOUR)["shadow"]["pairs"] == 60


def test_answers_of_no_picture_of_the_log_are_skipped_and_not_broken(world: World) -> None:
    (line,) = Traffic(2).lines(1, START)
    several, anonymous, missing = captured(line), captured(line), captured(line)
    several["captureData"]["endpointOutput"]["data"] = json.dumps({"model_version": "x", "predictions": []})
    anonymous["eventMetadata"]["inferenceId"] = ""
    del missing["eventMetadata"]["inferenceId"]
    smoke, refused = captured({**line, "decision_id": "smoke-test-0"}), captured(line)
    refused["captureData"]["endpointOutput"]["data"] = json.dumps({"error": "UnreadableImageError"})
    deliver(world, "a", [several, anonymous, missing, smoke, refused])
    found = analyze(world, START + HOUR)
    counts = found["counts"]
    assert (counts["shadow_skipped"], counts["shadow_answers"], counts["broken_lines"]) == (5, 0, 0)
    assert found["shadow"] is None


def test_answers_to_many_pictures_are_those_of_their_decisions(world: World) -> None:
    lines = Traffic(2).lines(60, START)
    world.log("a", lines)
    parts = [json.loads(captured(each)["captureData"]["endpointOutput"]["data"]) for each in lines[:50]]
    named = [{"name": line["decision_id"], **part} for line, part in zip(lines, parts, strict=False)]
    named[7] = {"name": lines[7]["decision_id"], "error": "UnreadableImageError", "message": "It is none."}
    many = captured({**lines[0], "decision_id": "a-request-of-many"})
    many["captureData"]["endpointOutput"]["data"] = json.dumps(
        {"model_version": SHADOW, "predictions": named}
    )
    deliver(world, "a", [many, *(captured(each) for each in lines[50:])])
    found = analyze(world, START + HOUR)
    assert (found["counts"]["shadow_answers"], found["shadow"]["pairs"]) == (59, 59)


def test_broken_lines_are_counted_and_named_and_stop_nothing(world: World) -> None:
    (line,) = Traffic(2).lines(1, START)
    broken: list[Line | str] = ["{", "[]", "[" * 100_000, '{"eventMetadata": {}}']
    broken += [captured(line, encoding="CSV"), captured({**line, "recorded_at": "then"})]
    broken += [captured({**line, "decision_id": "\ud800"}), captured(line, changes={"class": "\ud800"})]
    for changes in ({"class": None}, {"confident": "yes"}, {"model_version": ""}):
        broken.append(captured(line, changes=changes))
    for data, encoding in (("[]", "JSON"), ("3", "JSON"), ("*", "BASE64"), ("gA==", "BASE64")):
        cut = captured(line)
        cut["captureData"]["endpointOutput"] |= {"data": data, "encoding": encoding}
        broken.append(cut)
    world.log("a", [line])
    deliver(world, "a", [*broken, captured(line)])
    world.write("shadow/2026/11/20/08/bytes.jsonl", b"\xff\xfe\x00")
    found = analyze(world, START + HOUR)
    counts = found["counts"]
    assert (counts["broken_lines"], counts["broken_files"], found["shadow"]["pairs"]) == (15, 1, 1)
    assert any("the shadow's 2026/11/20/08/a.jsonl, line 1" in each for each in counts["broken"])
    assert "could not be read and were left out" in found["notes"][0]


def test_a_state_from_before_there_were_shadows_and_arrivals_is_gone_on_from(world: World) -> None:
    traffic = Traffic(2)
    lines = traffic.lines(90, START)
    world.log("a", lines)
    world.analyze(START + HOUR, report="one")
    state = world.state("one")
    assert (state["format"], state["shadow"]["decisions"]) == (1, {})
    del state["shadow"], state["intake"]
    state["opened"][0] |= {"rejected": 3, "rejected_at": 1.0}
    state["opened"].append({"version": "", "records": [], "rejected": 1, "rejected_at": 1.0})
    for record in state["opened"][0]["records"]:
        del record["sampled"]
    world.write("one/state.json", json.dumps(state).encode())
    more = traffic.lines(60, START + HOUR)
    world.log("b", more, START + HOUR)
    deliver(world, "b", [captured(each) for each in more], START + HOUR)
    found = analyze(world, START + 2 * HOUR, "one", "two")
    assert (found["waiting"], found["shadow"]["pairs"]) == ({MODEL: 150}, 60)


def test_the_state_follows_the_traffic_and_not_its_age(world: World) -> None:
    traffic, previous = Traffic(2), ""
    sizes: list[dict[str, int]] = []
    for day in range(20):
        at = START + timedelta(days=day)
        lines = [{**each, "sampled": False} for each in traffic.lines(60, at)]
        world.log("a", lines[:50], at)
        world.review(day, at)
        deliver(world, "a", [captured(each, confident=True) for each in lines[10:]], at)
        analyze(world, at + HOUR, previous, f"day{day}", "--late-hours", "48")
        previous = f"day{day}"
        state = world.state(previous)["shadow"]
        sizes.append({name: len(each) for name, each in state.items()})
    assert sizes[3] | {"unreviewed": 0} == sizes[19] | {"unreviewed": 0}
    assert sizes[19]["answers"] == 30
    assert sizes[19]["comparisons"] == 1
    unreviewed = [each["unreviewed"] for each in sizes]
    assert max(unreviewed) == max(unreviewed[:16])


def test_a_killed_analysis_gives_the_same_when_it_is_repeated(world: World) -> None:
    traffic = Traffic(2)
    lines = traffic.lines(300, START)
    world.log("a", lines[:200])
    deliver(world, "a", [captured(each) for each in lines[50:]])
    analyze(world, START + HOUR, report="one")
    world.log("b", lines[200:])
    deliver(world, "b", [captured(each, label=OTHER[each["class"]]) for each in lines[:70]])
    for number in (3, 60, 210):
        world.review(number, START + HOUR, changes={"decision_id": lines[number]["decision_id"]})
    for name in ("killed", "again"):
        assert analyze(world, START + 2 * HOUR, "one", name)["shadow"]["pairs"] == 300
    for name in ("analysis.json", "state.json", "report.html"):
        killed, again = (world.folder / run / name for run in ("killed", "again"))
        assert killed.read_bytes() == again.read_bytes()


def test_what_the_shadow_refused_or_the_log_rejected_makes_no_pair(world: World) -> None:
    (line,) = Traffic(2).lines(1, START)
    world.log("a", [{**line, "outcome": "rejected"}])
    deliver(world, "a", [captured(line)])
    assert analyze(world, START + HOUR)["shadow"]["pairs"] == 0


def test_only_the_newest_shadow_model_is_spoken_of(world: World) -> None:
    lines = Traffic(2).lines(120, START)
    world.log("a", lines)
    # Files of the model before may come after those of the newest one.
    deliver(world, "b", [captured(each, model="aaaaaaaaaaaa") for each in lines[:60]])
    deliver(world, "a", [captured(each) for each in lines[60:]])
    found = analyze(world, START + HOUR)["shadow"]
    assert (found["model_version"], found["pairs"]) == (SHADOW, 60)


def test_a_clock_that_is_ahead_makes_no_model_the_newest_for_ever(world: World) -> None:
    lines = Traffic(2).lines(61, START)
    world.log("a", lines)
    ahead = {**lines[0], "recorded_at": "2099-01-01T00:00:00Z"}
    deliver(world, "a", [captured(ahead, model="aaaaaaaaaaaa")])
    analyze(world, START + HOUR, report="one")
    later = (START + 2 * HOUR).isoformat()
    deliver(world, "b", [captured({**each, "recorded_at": later}) for each in lines[1:]])
    assert analyze(world, START + 3 * HOUR, "one", "two")["shadow"]["model_version"] == SHADOW


@pytest.mark.parametrize("given", ["none", ""])
def test_without_a_shadow_there_is_nothing_to_say(world: World, given: str) -> None:
    lines = Traffic(2).lines(60, START)
    world.log("a", lines)
    deliver(world, "a", [captured(each) for each in lines])
    analyze(world, START + HOUR, report="one")
    found = world.analyze(START + 2 * HOUR, "one", "two", "--shadow", given)
    assert found["shadow"] is None
    assert not [each for each in found["metrics"] if each["MetricName"].startswith("Shadow")]
    assert "in the shadow" not in (world.folder / "two" / "report.html").read_text()


def test_a_silent_shadow_and_one_that_serves_are_not_spoken_of(world: World) -> None:
    traffic = Traffic(2)
    lines = traffic.lines(60, START)
    world.log("a", lines)
    deliver(world, "a", [captured(each) for each in lines])
    assert analyze(world, START + HOUR, report="one")["shadow"]["pairs"] == 60
    assert analyze(world, START + 80 * HOUR, "one", "silent")["shadow"] is None
    world.log("b", traffic.lines(1, START + HOUR, model=SHADOW), START + HOUR)
    assert analyze(world, START + 2 * HOUR, "one", "serves")["shadow"] is None


def test_the_metrics_and_the_report_have_the_shadow(world: World) -> None:
    lines = Traffic(2).lines(60, START)
    world.log("a", lines)
    turned = [captured(each, label="<b>") for each in lines[:6]]
    deliver(world, "a", turned + [captured(each) for each in lines[6:]])
    found = analyze(world, START + HOUR)
    metrics: dict[str, list[Any]] = {}
    for each in found["metrics"]:
        metrics.setdefault(each["MetricName"], []).append(each)
    assert [each["Value"] for each in metrics["ShadowPairs"]] == [60, 60]
    assert [each["Value"] for each in metrics["ShadowAgreement"]] == [0.9, 0.9]
    assert metrics["ShadowPairs"][0]["Dimensions"][2] == {"Name": "ModelVersion", "Value": SHADOW}
    report = (world.folder / "report" / "report.html").read_text()
    assert f"Model {SHADOW} in the shadow is" in report
    assert f"<th>{MODEL} \\ {SHADOW}</th><th>&lt;b&gt;</th><th>bicycle</th><th>motorcycle</th>" in report
