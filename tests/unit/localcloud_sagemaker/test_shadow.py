"""A shadow gets copies, never more at once than it has places for, and the caller learns nothing of it."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from localcloud.containers.container import Answer
from localcloud.sagemaker import shadow
from localcloud.sagemaker.fleets import Fleet
from localcloud.sagemaker.members import Member
from localcloud.sagemaker.shadow import COPIES, Shadow, share

SECONDS = 10.0


@dataclass
class FakeMember:
    """A variant that answers when it is told to."""

    variant: str = "Next"
    weight: float = 1.0
    gate: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None
    got: queue.Queue[bytes] = field(default_factory=queue.Queue)
    answered: queue.Queue[bytes] = field(default_factory=queue.Queue)
    lines: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def log(self) -> FakeMember:
        return self

    def line(self, text: str) -> None:
        self.lines.append(text)

    def invoke(self, body: bytes, _: Mapping[str, str]) -> Answer:
        self.got.put(body)
        assert self.gate.wait(SECONDS)
        if self.fault is not None:
            raise self.fault
        self.answered.put(body)
        return Answer(200, {}, self.variant.encode())

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def member() -> FakeMember:
    return FakeMember()


def shadowing(member: FakeMember, copied: float = 1.0) -> Shadow:
    return Shadow(cast("Member", member), copied)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((1.0, 1.0), 1.0), ((0.25, 1.0), 0.25), ((3.0, 1.0), 1.0), ((0.0, 1.0), 0.0), ((1.0, 0.0), 1.0)],
)
def test_the_share_is_the_shadows_weight_beside_the_productions(
    weights: tuple[float, float], expected: float
) -> None:
    assert share(*weights) == expected


def test_only_the_share_is_copied(member: FakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.1, 0.25, 0.9])
    monkeypatch.setattr(random, "random", lambda: next(drawn))
    member.gate.set()
    copying = shadowing(member, 0.25)
    for body in (b"1", b"2", b"3"):
        copying.send(body, {})
    copying.stop()
    assert list(member.answered.queue) == [b"1"]


def test_the_production_answers_when_the_shadow_does_not(member: FakeMember) -> None:
    serving = FakeMember("Now")
    serving.gate.set()
    fleet = Fleet("config", (cast("Member", serving),), 1, shadowing(member))
    answer, variant = fleet.invoke(b"1", {})
    assert (answer.body, variant) == (b"Now", "Now")
    assert member.got.get(timeout=SECONDS) == b"1"
    assert member.answered.empty()
    member.gate.set()
    fleet.stop()
    assert list(member.answered.queue) == [b"1"]
    assert serving.stopped
    assert member.stopped


def test_copies_are_dropped_when_every_place_is_taken(member: FakeMember) -> None:
    copying = shadowing(member)
    for number in range(COPIES + 3):
        copying.send(str(number).encode(), {})
    member.gate.set()
    copying.stop()
    assert sorted(map(int, member.answered.queue)) == list(range(COPIES))
    assert len(member.lines) == 1


def test_a_place_is_free_again_when_a_copy_failed(member: FakeMember) -> None:
    member.gate.set()
    member.fault = OSError("away")
    copying = shadowing(member)
    for _ in range(COPIES):
        copying.send(b"1", {})
    for _ in range(COPIES):
        member.got.get(timeout=SECONDS)
    copying.stop()
    assert member.stopped


def test_the_end_waits_no_longer_than_agreed_when_a_copy_hangs(
    member: FakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "DRAIN_SECONDS", 0.01)
    copying = shadowing(member)
    copying.send(b"1", {})
    member.got.get(timeout=SECONDS)
    copying.stop()
    assert member.stopped
    assert member.answered.empty()
    member.gate.set()


def test_the_caller_goes_on_when_the_machine_has_no_more_threads(
    member: FakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    copying = shadowing(member)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refusing)
        copying.send(b"1", {})
    member.gate.set()
    copying.send(b"2", {})
    copying.stop()
    assert list(member.answered.queue) == [b"2"]
