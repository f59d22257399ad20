"""Reviews at the terminal: nothing is lost, nothing is answered twice."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from scones import cli, review, target
from scones.answers import read_answers
from scones.preview import COLUMNS, HALF_BLOCK, preview
from tests.unit.scones.fakes import FakeCloud, refused

run = CliRunner()


class AnsweredError(Exception):
    """What the client's ConditionalCheckFailedException is here."""


@dataclass
class ReviewCloud(FakeCloud):
    """A queue and a table in memory; a message is in the queue, with somebody, or deleted."""

    queued: list[str] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    table: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: dict[str, list[str]] = field(default_factory=dict)

    class exceptions:  # noqa: N801  # named as botocore's
        ConditionalCheckFailedException = AnsweredError

    def receive_message(self, **request: Any) -> dict[str, Any]:
        assert request["VisibilityTimeout"] == review.HIDDEN_SECONDS
        assert 1 <= request["WaitTimeSeconds"] <= review.POLL_SECONDS
        if not self.queued:
            return {}
        receipt = f"r{len(self.taken)}-{len(self.queued)}"
        self.taken[receipt] = self.queued.pop(0)
        return {"Messages": [{"ReceiptHandle": receipt, "Body": self.taken[receipt]}]}

    def change_message_visibility(self, **request: Any) -> None:
        assert request["VisibilityTimeout"] == 0
        self.queued.append(self.taken.pop(request["ReceiptHandle"]))

    def delete_message(self, **request: Any) -> None:
        if request["ReceiptHandle"] not in self.taken:
            raise refused("ReceiptHandleIsInvalid", "DeleteMessage")
        del self.taken[request["ReceiptHandle"]]

    def update_item(self, **request: Any) -> None:
        item = self.table.get(request["Key"]["object"]["S"])
        if item is None or "reviewed_at" in item:
            raise AnsweredError
        said, by, at = (request["ExpressionAttributeValues"][name] for name in (":said", ":by", ":at"))
        item |= {"reviewed_class": said, "reviewed_by": by, "reviewed_at": at}

    def get_paginator(self, operation: str) -> Any:
        return self if operation == "query" else super().get_paginator(operation)

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        """Answer a query; `again` has the decisions on further versions."""
        key = request["ExpressionAttributeValues"][":object"]["S"]
        first = [each for each in [self.table.get(key)] if each]
        return [
            {"Items": first},
            {"Items": [{"decision_id": {"S": each}} for each in self.again.get(key, [])]},
        ]

    def get_item(self, **request: Any) -> dict[str, Any]:
        item = self.table.get(request["Key"]["object"]["S"])
        return {"Item": item} if item else {}

    def get_object(self, **request: Any) -> dict[str, Any]:
        if request["Key"] not in self.objects:
            raise refused("NoSuchVersion", "GetObject")
        return {"Body": io.BytesIO(self.objects[request["Key"]])}

    def answered(self, number: int) -> tuple[str, str] | None:
        """Return what was said of a picture, and by whom."""
        item = self.table[name(number)]
        return (item["reviewed_class"]["S"], item["reviewed_by"]["S"]) if "reviewed_at" in item else None


def name(number: int) -> str:
    return f"s3://inbound/vehicles/{number}.png"


def decision(number: int, **changes: Any) -> str:
    content = {
        "object": name(number),
        "version_id": "v1",
        "decision_id": f"d{number}",
        "outcome": "review",
        "recorded_at": "2026-01-01T00:00:00.000Z",
        "class": "bicycle",
        "confidence": 0.61,
        "probabilities": '{"bicycle": 0.61, "motorcycle": 0.39}',
        **changes,
    }
    return json.dumps({"decision": content})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> ReviewCloud:
    fake = ReviewCloud(queued=[decision(0), decision(1, outcome="routed"), decision(2)])
    fake.table = {
        name(number): {"object": {"S": name(number)}, "decision_id": {"S": f"d{number}"}}
        for number in range(3)
    }
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), (255, 0, 0)).save(buffer, "PNG")
    fake.objects = {f"vehicles/{number}.png": buffer.getvalue() for number in range(3)}
    monkeypatch.setattr(target, "choose", lambda **_: fake.target())
    monkeypatch.setattr(review, "PATIENCE_SECONDS", 0.05)
    return fake


def asked(*lines: str) -> Result:
    return run.invoke(cli.app, ["review", "--as", "kim"], input="".join(f"{line}\n" for line in lines))


def file(folder: Path, lines: Iterable[object]) -> str:
    path = folder / "answers.jsonl"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return str(path)


def test_a_person_answers_by_number_name_and_none(cloud: ReviewCloud) -> None:
    result = asked("2", "bicycle", "none")
    assert result.exit_code == 0, result.output
    answers = [cloud.answered(number) for number in range(3)]
    assert answers == [("motorcycle", "kim"), ("bicycle", "kim"), ("none", "kim")]
    assert (cloud.queued, cloud.taken) == ([], {})
    assert "3 stored" in result.stdout


def test_a_session_says_how_long_the_oldest_has_waited_that_it_leaves(cloud: ReviewCloud) -> None:
    def ago(days: int) -> str:
        return (datetime.now(UTC) - timedelta(days=days)).isoformat()

    cloud.queued = [decision(number, recorded_at=ago(days)) for number, days in enumerate((1, 6, 9))]
    result = asked("skip", "skip", "bicycle")
    assert "2 skipped and waiting on (the oldest for 6.0 days; after 14 it is forgotten)" in result.stdout
    assert "skipped and waiting on, " in asked("bicycle", "bicycle").stdout


def test_what_is_known_is_shown_and_the_picture_lies_in_a_file(
    cloud: ReviewCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def read(prompt: str) -> str:
        seen.extend(path for path in Path(folder[0]).iterdir())
        return "quit"

    folder: list[str] = []
    made = tempfile.TemporaryDirectory

    def remembered(**options: Any) -> Any:
        temporary = made(**options)
        folder.append(temporary.name)
        return temporary

    monkeypatch.setattr(tempfile, "TemporaryDirectory", remembered)
    monkeypatch.setattr("builtins.input", read)
    result = run.invoke(cli.app, ["review"])
    assert "here because: the model is unsure" in result.stdout
    assert "bicycle, 0.610 (bicycle 0.610, motorcycle 0.390)" in result.stdout
    assert [path.name for path in seen] == ["d0.png"]
    assert str(seen[0]) in result.stdout
    assert not seen[0].exists()


def test_nothing_is_lost_when_a_person_skips_and_quits(cloud: ReviewCloud) -> None:
    result = asked("skip", "quit")
    assert result.exit_code == 0
    assert (len(cloud.queued), cloud.taken) == (3, {})
    assert "a sample of the sure answers" in result.stdout


def test_nothing_is_lost_when_input_ends_or_is_interrupted(
    cloud: ReviewCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked().exit_code == 0
    assert (len(cloud.queued), cloud.taken) == (3, {})

    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    assert run.invoke(cli.app, ["review"]).exit_code == 130
    assert (len(cloud.queued), cloud.taken) == (3, {})


def test_a_person_is_asked_again_when_the_answer_is_no_class(cloud: ReviewCloud) -> None:
    result = asked("tram", "7", "1", "quit")
    assert result.stderr.count("is none of these") == 2
    assert cloud.answered(0) == ("bicycle", "kim")


def test_what_is_not_text_loses_nothing(cloud: ReviewCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter([b"\xe9", b"1", b"quit"])
    monkeypatch.setattr("builtins.input", lambda _: next(lines).decode())
    result = run.invoke(cli.app, ["review", "--as", "kim"])
    assert (result.exit_code, "no text in this terminal's encoding" in result.stderr) == (0, True)
    assert cloud.answered(0) == ("bicycle", "kim")


def test_an_objects_name_does_not_rule_the_terminal(cloud: ReviewCloud) -> None:
    key = "s3://inbound/vehicles/\x1b]0;owned\x07\x1b[2A\n  model says: bicycle\u202e.png"
    cloud.queued = [decision(0, object=key)]
    cloud.table = {key: {"object": {"S": key}, "decision_id": {"S": "d0"}}}
    result = asked("1")
    assert result.exit_code == 0
    assert r"vehicles/\x1b]0;owned\x07\x1b[2A\n  model says: bicycle\u202e.png" in result.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(result.output)


def test_an_answer_stands_when_the_message_has_gone_meanwhile(
    cloud: ReviewCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(prompt: str) -> str:
        cloud.taken.clear()  # after HIDDEN_SECONDS it came back, and somebody else answered
        return "1"

    cloud.queued = [decision(0)]
    monkeypatch.setattr("builtins.input", gone)
    result = run.invoke(cli.app, ["review", "--as", "kim"])
    assert (result.exit_code, "bicycle, stored for kim" in result.stdout) == (0, True)


def test_the_first_answer_stands_when_there_was_one(cloud: ReviewCloud) -> None:
    cloud.table[name(0)] |= {
        "reviewed_class": {"S": "motorcycle"},
        "reviewed_by": {"S": "robin"},
        "reviewed_at": {"S": "2026-11-25T20:00:00+00:00"},
    }
    result = asked("1", "quit")
    said = "was answered already: motorcycle, by robin at 2026-11-25T20:00:00+00:00; that stands."
    assert said in result.stdout
    assert cloud.answered(0) == ("motorcycle", "robin")
    assert len(cloud.queued) == 2


def test_a_message_that_is_no_decision_stays_and_the_others_are_answered(cloud: ReviewCloud) -> None:
    cloud.queued.insert(0, "no decision")
    result = asked("1", "1", "1")
    assert result.exit_code == 1
    assert "is no decision" in result.stderr
    assert (cloud.queued, cloud.taken) == (["no decision"], {})


def test_a_decision_that_the_table_lacks_stays(cloud: ReviewCloud) -> None:
    del cloud.table[name(0)]
    result = asked("1", "quit")
    assert result.exit_code == 1
    assert "is not in the results table" in result.stderr
    assert (len(cloud.queued), cloud.taken) == (3, {})


def test_a_person_can_say_none_when_the_picture_is_gone(cloud: ReviewCloud) -> None:
    cloud.objects.clear()
    result = asked("none", "quit")
    assert "cannot be fetched (NoSuchVersion)" in result.stderr
    assert cloud.answered(0) == ("none", "kim")


def test_a_file_answers_by_object_and_by_decision(cloud: ReviewCloud, tmp_path: Path) -> None:
    lines = [{"object": name(0), "class": "motorcycle"}, "", {"decision_id": "d2", "class": "bicycle"}]
    result = run.invoke(cli.app, ["review", "--as", "kim", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 0, result.output
    assert [cloud.answered(number) for number in (0, 1, 2)] == [
        ("motorcycle", "kim"), None, ("bicycle", "kim"),
    ]  # fmt: skip
    assert (cloud.queued, cloud.taken) == ([decision(1, outcome="routed")], {})


def test_it_exits_1_when_an_answer_meets_no_picture(cloud: ReviewCloud, tmp_path: Path) -> None:
    lines = [{"object": name(0), "class": "bicycle"}, {"object": name(7), "class": "bicycle"}]
    result = run.invoke(cli.app, ["review", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 1
    assert "1 of 2 answers met no picture that waits, s3://inbound/vehicles/7.png" in result.stderr
    assert cloud.answered(0) is not None
    assert len(cloud.queued) == 2


@pytest.mark.parametrize("waits", ["d0", "d9"])
def test_an_object_with_several_decisions_is_answered_by_decision_alone(
    cloud: ReviewCloud, tmp_path: Path, waits: str
) -> None:
    cloud.again = {name(0): ["d9"]}
    cloud.queued[0] = decision(0, decision_id=waits)
    lines = [{"object": name(0), "class": "motorcycle"}, {"object": name(2), "class": "bicycle"}]
    result = run.invoke(cli.app, ["review", "--as", "kim", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 1
    assert f"{name(0)} was written again" in result.stderr
    assert "one of d0, d9." in result.stderr
    assert (cloud.answered(0), cloud.answered(2)) == (None, ("bicycle", "kim"))
    assert (len(cloud.queued), cloud.taken) == (2, {})
    lines = [{"decision_id": waits, "class": "motorcycle"}]
    assert run.invoke(cli.app, ["review", "--as", "kim", "--answers", file(tmp_path, lines)]).exit_code == 0
    assert cloud.answered(0) == ("motorcycle", "kim")


def test_an_object_and_its_decision_that_contradict_each_other_are_said(
    cloud: ReviewCloud, tmp_path: Path
) -> None:
    lines = [{"object": name(0), "class": "motorcycle"}, {"decision_id": "d0", "class": "bicycle"}]
    result = run.invoke(cli.app, ["review", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 1
    assert "was answered 'motorcycle', and its decision d0 'bicycle': leave one out." in result.stderr
    assert cloud.answered(0) is None


def test_an_unknown_class_in_a_file_loses_nothing(cloud: ReviewCloud, tmp_path: Path) -> None:
    lines = [{"object": name(0), "class": "tram"}]
    result = run.invoke(cli.app, ["review", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 1
    assert "'tram' is no class of" in result.stderr
    assert (len(cloud.queued), cloud.taken) == (3, {})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "line 1 is no JSON"),
        ([{"object": "a"}], 'one JSON object with "class"'),
        ([{"object": "a", "decision_id": "b", "class": "c"}], 'either "object" or "decision_id"'),
        ([{"object": "a", "class": 1}], "each a text"),
        (["[1]"], "one JSON object"),
        ([{"object": "a", "class": "b"}, {"object": "a", "class": "c"}], "was answered 'b' before"),
        ([], "holds none"),
    ],
)
def test_nothing_is_received_when_the_file_is_wrong(
    cloud: ReviewCloud, tmp_path: Path, lines: list[object], said: str
) -> None:
    result = run.invoke(cli.app, ["review", "--answers", file(tmp_path, lines)])
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert len(cloud.queued) == 3


def test_a_file_may_begin_with_a_mark_and_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    line = json.dumps({"object": "s3://inbound/a\u2028b.png", "class": "none"}, ensure_ascii=False)
    path.write_bytes(f"\ufeff{line}\r\n".encode())
    assert read_answers(path).objects == {"s3://inbound/a\u2028b.png": "none"}


def test_a_missing_file_and_an_empty_name_are_one_sentence(cloud: ReviewCloud, tmp_path: Path) -> None:
    result = run.invoke(cli.app, ["review", "--answers", str(tmp_path / "absent")])
    assert (result.exit_code, "cannot be read" in result.stderr) == (1, True)
    result = run.invoke(cli.app, ["review", "--as", " "])
    assert (result.exit_code, "The name given with --as is empty" in result.stderr) == (1, True)
    result = run.invoke(cli.app, ["review", "--as", "\udcff"])
    assert (result.exit_code, "holds what cannot be printed" in result.stderr) == (1, True)


def test_the_list_says_how_many_wait_and_takes_none(cloud: ReviewCloud) -> None:
    result = run.invoke(cli.app, ["review", "--list"])
    assert result.stdout == "2 waiting, 1 in work\n"
    assert len(cloud.queued) == 3


def test_a_preview_has_the_pictures_colours_and_shape(cloud: ReviewCloud) -> None:
    drawn = preview(cloud.objects["vehicles/0.png"])
    assert drawn is not None
    lines = drawn.plain.splitlines()
    assert {len(line) for line in lines} == {COLUMNS}
    assert len(lines) == COLUMNS // 4
    assert set(drawn.plain) == {HALF_BLOCK, "\n"}
    shown = io.StringIO()
    Console(file=shown, force_terminal=True, color_system="truecolor").print(drawn)
    assert "38;2;255;0;0" in shown.getvalue()
    assert preview(b"no picture") is None
