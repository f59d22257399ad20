"""Every record counts once, whatever comes twice, late or broken, and wherever the job was killed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.traffic import MODEL, START, Traffic, World
from training.analysis.job import main
from training.analysis.metrics import ALARMED

HOUR = timedelta(hours=1)
OTHER = "ffffffffffff"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.baseline()
    return made


def test_the_same_file_and_the_same_decisions_in_another_count_once(world: World) -> None:
    lines = Traffic(2).lines(90, START)
    world.log("a", lines)
    first = world.analyze(START + HOUR, report="one")
    world.log("b", lines[40:])
    second = world.analyze(START + 2 * HOUR, "one", "two")
    assert (first["counts"]["predictions"], second["counts"]["predictions"]) == (90, 0)
    assert second["counts"]["files"] == 1
    assert second["counts"]["duplicates"] == 50
    assert second["waiting"] == {MODEL: 90}


def test_a_file_that_comes_late_into_an_older_hour_is_found(world: World) -> None:
    lines = Traffic(2).lines(220, START)
    world.log("b", lines[:60], START + 9 * HOUR)
    world.analyze(START + 10 * HOUR, report="one")
    world.log("a", lines[60:], START + HOUR)
    late = world.analyze(START + 11 * HOUR, "one", "two")
    assert late["counts"]["predictions"] == 160
    assert [each["images"] for each in late["windows"]] == [200]
    assert late["waiting"] == {MODEL: 20}


def test_a_file_of_before_the_horizon_is_not_read(world: World) -> None:
    world.log("a", Traffic(2).lines(60, START))
    assert world.analyze(START + 80 * HOUR)["counts"]["files"] == 0


def test_what_came_while_no_analysis_succeeded_is_read_afterwards(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(20, START))
    world.analyze(START + HOUR, report="one")
    for number in range(1, 10):
        hour = START + 10 * number * HOUR
        world.log("a", traffic.lines(20, hour), hour)
    found = world.analyze(START + 100 * HOUR, "one", "two")
    assert (found["counts"]["predictions"], found["counts"]["duplicates"]) == (180, 0)


def test_a_late_file_of_the_model_before_does_not_say_that_it_serves(world: World) -> None:
    late = Traffic(2).lines(5, START)
    world.log("a", Traffic(3).lines(20, START + HOUR, model="ffffffffffff"), START + HOUR)
    assert world.analyze(START + 2 * HOUR, report="one")["serving"] == "ffffffffffff"
    world.log("late", late, START)
    found = world.analyze(START + 3 * HOUR, "one", "two")
    assert (found["counts"]["predictions"], found["serving"]) == (5, "ffffffffffff")


def test_a_killed_analysis_gives_the_same_when_it_is_repeated(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(230, START))
    world.review(1, START)
    world.analyze(START + HOUR, report="one")
    world.log("b", traffic.lines(350, START + HOUR), START + HOUR)
    world.review(2, START + HOUR)
    world.analyze(START + 2 * HOUR, "one", "killed")  # and never committed
    world.analyze(START + 2 * HOUR, "one", "again")
    for name in ("analysis.json", "state.json", "report.html"):
        killed, again = (world.folder / run / name for run in ("killed", "again"))
        assert killed.read_bytes() == again.read_bytes()


def test_many_small_analyses_find_what_one_does(world: World) -> None:
    traffic = Traffic(2)
    previous, closed = "", list[dict[str, object]]()
    for hour in range(6):
        at = START + hour * HOUR
        world.log("a", traffic.lines(130, at), at)
        found = world.analyze(at + HOUR, previous, f"run{hour}")
        previous, closed = f"run{hour}", closed + found["windows"]
    assert closed == world.analyze(START + 6 * HOUR, report="once")["windows"]
    assert [each["images"] for each in closed] == [200, 200, 200]


def test_a_window_too_small_says_so_and_raises_nothing(world: World) -> None:
    world.log("a", Traffic(2).lines(49, START, shifted={"brightness": -0.3}, moved=2.0))
    assert world.analyze(START + 23 * HOUR, report="young")["windows"] == []
    (window,) = world.analyze(START + 25 * HOUR, "young", "old")["windows"]
    assert (window["verdict"], window["kinds"], window["images"]) == ("too small", [], 49)
    names = {each["MetricName"] for each in json_of(world, "old")["metrics"]}
    assert "WindowImages" in names
    assert not [name for name in names if name.endswith("Drift")]


def json_of(world: World, report: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads((world.folder / report / "analysis.json").read_text())
    return found


def test_a_model_without_a_baseline_is_one_sentence_and_no_crash(world: World) -> None:
    world.log("a", Traffic(2).lines(200, START, model="ffffffffffff"))
    world.write("runs/eeeeeeeeeeee/evaluation/baseline.json", b'{"classes": []}')
    world.log("b", Traffic(3).lines(200, START, model="eeeeeeeeeeee"))
    found = world.analyze(START + HOUR)
    assert [each["verdict"] for each in found["windows"]] == ["no baseline", "no baseline"]
    assert any("ffffffffffff has no baseline" in note for note in found["notes"])
    assert any("eeeeeeeeeeee is not of the agreed shape" in note for note in found["notes"])
    assert "ffffffffffff has no baseline" in (world.folder / "report" / "report.html").read_text()


def test_models_have_windows_of_their_own_during_a_canary(world: World) -> None:
    world.baseline(model="ffffffffffff")
    world.log("a", Traffic(2).lines(150, START))
    world.log("b", Traffic(3).lines(210, START, model="ffffffffffff"))
    found = world.analyze(START + HOUR)
    assert [each["model_version"] for each in found["windows"]] == ["ffffffffffff"]
    assert found["waiting"] == {MODEL: 150, "ffffffffffff": 10}


def no_pictures(count: int, at: datetime, name: str = "r") -> list[dict[str, Any]]:
    """Return decisions on what was no picture."""
    return [
        {
            "decision_id": f"{name}{number}",
            "recorded_at": at.isoformat(),
            "outcome": "rejected",
            "reason": "no image",
        }
        for number in range(count)
    ]


def rejected_rates(found: Mapping[str, Any]) -> list[float]:
    """Return what CloudWatch is told of it."""
    return [each["Value"] for each in found["metrics"] if each["MetricName"] == "RejectedRate"]


def test_what_was_no_picture_is_a_share_of_what_arrived_with_it(world: World) -> None:
    lines = Traffic(2).lines(200, START)
    world.log("a", lines + no_pictures(100, datetime.fromisoformat(lines[20]["recorded_at"])))
    found = world.analyze(START + HOUR, report="one")
    # The first 200 arrivals; a window of answers has as many pictures as ever.
    assert (found["rejected_rates"], rejected_rates(found)) == ([0.5], [0.5])
    assert [each["images"] for each in found["windows"]] == [200]
    # The hundred pictures that came last were counted once, and wait.
    world.log("b", no_pictures(99, START + HOUR, "later"), START + HOUR)
    found = world.analyze(START + 2 * HOUR, "one", "two")
    assert (found["rejected_rates"], rejected_rates(found)) == ([], [])
    world.log("c", no_pictures(1, START + 2 * HOUR, "last"), START + 2 * HOUR)
    assert rejected_rates(world.analyze(START + 3 * HOUR, "two", "three")) == [0.5]


def test_a_flood_without_a_picture_is_told_by_the_next_analysis(world: World) -> None:
    world.log("a", Traffic(2).lines(200, START))
    world.analyze(START + HOUR, report="one")
    world.log("b", no_pictures(250, START + HOUR), START + HOUR)
    found = world.analyze(START + 2 * HOUR, "one", "two")
    assert (found["windows"], rejected_rates(found)) == ([], [1.0])


def test_arrivals_are_a_window_by_their_age_if_they_are_enough(world: World) -> None:
    world.log("a", no_pictures(49, START))
    assert rejected_rates(world.analyze(START + 30 * HOUR, report="one")) == []
    world.log("b", no_pictures(50, START + 30 * HOUR, "more"), START + 30 * HOUR)
    assert rejected_rates(world.analyze(START + 31 * HOUR, "one", "two")) == []
    assert rejected_rates(world.analyze(START + 55 * HOUR, "two", "three")) == [1.0]


def test_late_decisions_do_not_end_the_window_that_is_open(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(100, START))
    assert world.analyze(START + HOUR, report="one")["windows"] == []
    late = traffic.lines(1, START - 30 * HOUR)
    world.log("b", late, START + HOUR)
    world.log("c", traffic.lines(99, START + HOUR), START + HOUR)
    (window,) = world.analyze(START + 2 * HOUR, "one", "two")["windows"]
    assert (window["verdict"], window["images"]) == ("clean", 200)


def test_what_is_broken_is_counted_and_named_and_stops_nothing(world: World) -> None:
    good = Traffic(2).lines(3, START)
    lines = [json.dumps(each) for each in good]
    lines += ["{", "[]", "null", '{"decision_id": "x"}', "[" * 100_000, "1" * 5000, ""]
    for change in (
        {"confidence": "NaN"},
        {"embedding": ["a"]},
        {"outcome": "odd"},
        {"recorded_at": "then"},
        {"image": None},
        {"confidence": 10**400},
        {"decision_id": "\ud800"},
        {"recorded_at": "0001-01-01T00:00:00+14:00"},
        {"image": {**good[0]["image"], "width": 1e200, "height": 1e200}},
    ):
        lines.append(json.dumps({**good[0], "decision_id": str(change)[:20], **change}))
    world.write("log/2026/11/20/08/a.gz", gzip.compress("\n".join(lines).encode()))
    world.write("log/2026/11/20/08/cut.gz", gzip.compress(b"x" * 1000)[:-12])
    world.write("log/2026/11/20/08/bytes", b"\xff\xfe\x00")
    world.write("log/a note.txt", b"not of any hour")
    world.write("reviews/broken.json", b"{")
    counts = world.analyze(START + HOUR)["counts"]
    assert (counts["predictions"], counts["broken_lines"]) == (3, 15)
    assert (counts["broken_files"], counts["broken_reviews"]) == (2, 1)
    assert any("a.gz, line 4" in each for each in counts["broken"])
    assert world.analyze(START + 2 * HOUR, "report", "next")["counts"]["broken"] == []


def test_a_clock_that_is_ahead_does_not_say_for_ever_who_serves(world: World) -> None:
    traffic = Traffic(2)
    (ahead,) = traffic.lines(1, datetime(2062, 11, 20, tzinfo=UTC))
    world.log("a", [ahead, *traffic.lines(49, START)])
    world.review(1, datetime(2062, 11, 20, tzinfo=UTC))
    found = world.analyze(START + HOUR, report="one")
    assert (found["serving"], found["new_reviews"]) == (MODEL, 1)
    world.log("b", traffic.lines(10, START + 2 * HOUR, model=OTHER), START + 2 * HOUR)
    assert world.analyze(START + 3 * HOUR, "one", "two")["serving"] == OTHER
    # Nor do its window and its review never age.
    retrained = ("--retrained", (START + 2 * HOUR).isoformat())
    found = world.analyze(START + 30 * HOUR, "two", "three", *retrained)
    assert [(each["images"], each["end"]) for each in found["windows"]] == [
        (50, "2026-11-20T09:00:00Z"),
        (10, "2026-11-20T10:00:09Z"),
    ]
    assert found["new_reviews"] == 0


def test_a_state_that_believed_a_clock_that_was_ahead_is_mended(world: World) -> None:
    world.log("a", Traffic(2).lines(10, START))
    world.analyze(START + HOUR, report="one")
    change_state(world, "one", served_at=datetime(2062, 11, 20, tzinfo=UTC).timestamp())
    world.log("b", Traffic(3).lines(10, START + 2 * HOUR, model=OTHER), START + 2 * HOUR)
    assert world.analyze(START + 3 * HOUR, "one", "two")["serving"] == OTHER


def change_state(world: World, report: str, **changes: object) -> None:
    """Change what an analysis has left."""
    content = {**world.state(report), **changes}
    (world.folder / report / "state.json").write_text(json.dumps(content))


def test_the_state_does_not_grow_with_its_age(world: World) -> None:
    traffic, sizes, previous = Traffic(2), [], ""
    for day in range(12):
        at = START + timedelta(days=day)
        for number in range(4):
            hour = at + 6 * number * HOUR
            world.log("a", traffic.lines(60, hour), hour)
        world.analyze(at + 24 * HOUR, previous, f"day{day}", "--late-hours", "24")
        previous = f"day{day}"
        state = world.state(previous)
        sizes.append(sum(len(found) for found in state["seen"].values()))
        assert len(state["files"]) <= 9  # of the day since the last one, and of the day before
    assert sizes[4] == sizes[11]
    assert len(json.dumps(world.state(previous)).encode()) < 300_000


def test_the_analysis_stays_small_with_many_windows(world: World) -> None:
    world.log("a", Traffic(2).lines(6_000, START))
    found = world.analyze(START + HOUR)
    assert found["windows_closed"] == 30
    assert len(found["windows"]) == 20
    assert len(found["metrics"]) <= 150
    assert (world.folder / "report" / "analysis.json").stat().st_size < 100_000


def test_metrics_are_there_with_and_without_the_model(world: World) -> None:
    world.log("a", Traffic(2).lines(200, START))
    found = world.analyze(START + HOUR)["metrics"]
    drift = [each for each in found if each["MetricName"] == "InputDrift"]
    names = [[dimension["Name"] for dimension in each["Dimensions"]] for each in drift]
    assert names == [["Classifier", "Endpoint"], ["Classifier", "Endpoint", "ModelVersion"]]
    # The time of the analysis, not of the window: an alarm looks at the last hour alone.
    assert drift[0]["Timestamp"] == "2026-11-20T09:00:00Z"
    assert drift[0]["Value"] == 0.0


def test_what_alarms_look_at_is_the_worst_of_all_windows(world: World) -> None:
    traffic = Traffic(2)
    lines = traffic.lines(200, START, shifted={"brightness": -0.3})
    for number in range(1, 30):
        lines += traffic.lines(200, START + number * timedelta(minutes=5))
    world.log("a", lines)
    for number in range(50):
        world.review(number, START + number * timedelta(seconds=1), right=number % 3 > 0)
    found = world.analyze(START + 3 * HOUR)
    assert found["windows_closed"] == 31
    assert alarmed(found) == {
        **{"InputDrift": [1.0], "EmbeddingDrift": [0.0], "ClassMixDrift": [0.0], "ConfidenceDrift": [0.0]},
        **{"PoorQuality": [1.0]},
    }
    assert {"AbstainRate", "InputDrift", "InputScore"} <= {each["MetricName"] for each in of_models(found)}


def test_a_model_that_has_left_alarms_nobody_with_its_last_window(world: World) -> None:
    world.baseline(model=OTHER)
    traffic = Traffic(2)
    world.log("a", traffic.lines(60, START, model=OTHER, bicycles=0.95))
    world.analyze(START + HOUR, "", "one", "--champion", MODEL)
    world.log("b", traffic.lines(60, START + HOUR), START + HOUR)
    world.analyze(START + 2 * HOUR, "one", "two", "--champion", MODEL)
    found = world.analyze(START + 25 * HOUR, "two", "three", "--champion", MODEL)
    assert [each["kinds"] for each in found["windows"]] == [["classes"], []]
    assert alarmed(found)["ClassMixDrift"] == [0.0]
    assert [
        (name_of(each), each["Value"]) for each in of_models(found) if "ClassMixDrift" in each.values()
    ] == [
        (MODEL, 0.0),
        (OTHER, 1.0),
    ]


@pytest.mark.parametrize("newest", [MODEL, OTHER])
def test_a_champion_alarms_whoever_answered_last_and_a_canary_while_it_answers(
    world: World, newest: str
) -> None:
    world.baseline(model=OTHER)
    traffic = Traffic(2)
    world.log("a", traffic.lines(200, START, bicycles=0.95))
    world.log("b", traffic.lines(200, START, model=OTHER, moved=1.0))
    world.log("c", traffic.lines(1, START + HOUR / 2, model=newest))
    found = world.analyze(START + HOUR, "", "report", "--champion", MODEL)
    assert (alarmed(found)["ClassMixDrift"], alarmed(found)["EmbeddingDrift"]) == (
        [1.0],
        [float(newest == OTHER)],
    )


def alarmed(found: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return what CloudWatch is told that drift alarms and that of quality look at."""
    told: dict[str, list[float]] = {}
    for each in found["metrics"]:
        if each["MetricName"] in ALARMED and each not in of_models(found):
            told.setdefault(each["MetricName"], []).append(each["Value"])
    return told


def name_of(metric: Mapping[str, Any]) -> str:
    """Return the model whose it is."""
    return str(metric["Dimensions"][-1]["Value"])


def of_models(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what it is told of single models."""
    return [each for each in found["metrics"] if each["Dimensions"][-1]["Name"] == "ModelVersion"]


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 0}'])
def test_a_previous_state_that_cannot_be_used_stops_the_job(
    world: World, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write("old/state.json", content.encode())
    with pytest.raises(AssertionError):
        world.analyze(START, "old")
    said = capsys.readouterr().err
    assert "cannot be used" in said
    assert said.endswith(f"{REMEDY}\n")
    with pytest.raises(AssertionError):
        world.analyze(START, "missing")
    said = capsys.readouterr().err
    assert "does not exist" in said
    assert said.endswith(f"{REMEDY}\n")


REMEDY = (
    "copy the state.json of an earlier run there, or begin anew without one; "
    "AnalysisFailed in docs/runbook.md has either command."
)


PLAIN = {"analyzed_at", "intake", "tallies"}
"""Parts of a state whose values are refused by what they are."""


@pytest.mark.parametrize(
    "changes",
    [
        {"history": [None]},
        {"history": [{"source": "predictions"}]},
        {"history": [{"source": "odd"}]},
        {"analyzed_at": 1e11},
        {"analyzed_at": float("nan")},
        {"intake": {"arrived": None}},
        {"tallies": {"model": {"sure": "many"}}},
        {"trials": {"running": {"own": {"predictions": [None]}, "theirs": {}}, "over": {}}},
    ],
)
def test_a_state_with_a_part_that_cannot_be_used_stops_the_job_with_what_to_do(
    world: World, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world.analyze(START, report="one")
    change_state(world, "one", **changes)
    with pytest.raises(AssertionError):
        world.analyze(START + HOUR, "one", "two")
    said = capsys.readouterr().err
    assert f"state.json cannot be used ({'ValueError' if changes.keys() & PLAIN else ''}" in said
    assert (said.endswith(f"{REMEDY}\n"), "Traceback" in said) == (True, False)


def test_the_analysis_goes_on_from_an_earlier_state_and_counts_once(world: World) -> None:
    traffic = Traffic(2)
    world.log("a", traffic.lines(130, START))
    world.analyze(START + HOUR, report="one")
    world.log("b", traffic.lines(130, START + HOUR), START + HOUR)
    world.analyze(START + 2 * HOUR, "one", "two")
    world.write("two/state.json", (world.folder / "one/state.json").read_bytes())
    found = world.analyze(START + 3 * HOUR, "two", "three")
    assert [each["images"] for each in found["windows"]] == [200]
    assert found["waiting"] == {MODEL: 60}


def test_a_time_that_is_none_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--log x --reviews x --runs x --target-error 0.01 --classifier v --endpoint e --now soon"
    assert main([*words.split(), "--report", str(world.folder)]) == 1
    assert "The time 'soon' of --now is not in ISO's form" in capsys.readouterr().err


def test_an_empty_log_is_a_report_that_says_so(world: World) -> None:
    found = world.analyze(START)
    assert found["retrain"] == {"wanted": False, "reason": "Nothing asks for a new model.", "trigger": ""}
    assert "No window has closed yet" in (world.folder / "report" / "report.html").read_text()
