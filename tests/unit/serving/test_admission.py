"""What is refused before it takes a place."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest

from serving.admission import MAX_REQUESTS, Admission
from serving.errors import OverloadedError

ADAPTER_CONNECTIONS = 100


def test_requests_are_refused_when_too_many_are_under_way() -> None:
    admission = Admission(4, 0.01, max_requests=2)
    with admission.request(), admission.request(), pytest.raises(OverloadedError, match="2 requests"):
        admission.request().__enter__()
    with admission.request():
        assert admission.requests == 1
    assert admission.requests == 0


def test_images_are_refused_when_too_many_are_under_way() -> None:
    admission = Admission(4, 0.01, max_images=10)
    with admission.batch(6):
        with pytest.raises(OverloadedError, match="6 images"), admission.batch(5):
            pass
        with admission.batch(4):
            assert admission.images == 10
    assert admission.images == 0


def test_places_are_given_back_when_a_request_fails() -> None:
    admission = Admission(4, 0.01)
    with pytest.raises(ValueError, match="bad"), admission.request(), admission.batch(3):
        raise ValueError("bad")
    assert (admission.requests, admission.images) == (0, 0)


def test_it_sheds_before_the_adapter_has_no_connection_left() -> None:
    # Twice as many requests as are answered: a refusal for each that is let in, and one takes as long as the other.
    assert ADAPTER_CONNECTIONS - MAX_REQUESTS >= 2 * MAX_REQUESTS


@pytest.mark.parametrize(("pace", "wait"), [(0.05, "0.45"), (0.001, "0.01")])
def test_a_request_is_refused_when_it_would_wait_too_long(pace: float, wait: str) -> None:
    admission = Admission(busy=4, pace=pace)
    with ExitStack() as queued:
        for _ in range(8):
            queued.enter_context(admission.image())
        with admission.request():
            pass
        queued.enter_context(admission.image())
        with (
            pytest.raises(OverloadedError, match=rf"9 images are queued, about {wait} s"),
            admission.request(),
        ):
            pass
        with pytest.raises(OverloadedError), admission.batch(1):
            pass
    with admission.request(), admission.batch(1):
        assert admission.queued == 0


def test_fewer_are_let_in_when_others_take_the_machine() -> None:
    now = 0.0
    admission = Admission(busy=4, pace=0.05, clock=lambda: now)
    with ExitStack() as queued:
        for _ in range(5):
            queued.enter_context(admission.image())
        with admission.request():
            pass
        for _ in range(400):
            with admission.image():
                now += 0.1
        with pytest.raises(OverloadedError, match=r"5 images are queued, about 0\.50 s"), admission.request():
            pass


def told(admission: Admission) -> float:
    """Have a request refused, and return the seconds after which it may come back."""
    with (
        pytest.raises(OverloadedError, match=r"send this again in \d+\.\d+ s\.$") as refused,
        admission.request(),
    ):
        pass
    return refused.value.seconds


def test_a_crowd_that_is_refused_comes_back_one_by_one() -> None:
    now = 100.0
    admission = Admission(busy=1, pace=0.25, clock=lambda: now)
    with admission.image(), admission.image(), admission.image():
        assert [told(admission) for _ in range(3)] == [1.0, 3.0, 5.0]
        now += 2.5
        assert [told(admission) for _ in range(3)] == [4.5, 6.5, 8.5]
        now += 60.0
        assert told(admission) == 1.0


def test_requests_of_many_images_come_back_as_seldom_as_they_are_answered() -> None:
    admission = Admission(busy=1, pace=0.05, max_requests=2, clock=lambda: 100.0)
    with admission.request(), admission.request(), admission.batch(4), admission.batch(6):
        assert [told(admission) for _ in range(3)] == [1.0, 3.0, 5.0]


def test_those_beside_a_gpu_come_back_no_faster_than_the_adapter_passes_them_on() -> None:
    admission = Admission(busy=1, pace=0.0002, max_requests=0, clock=lambda: 100.0)
    assert [told(admission) for _ in range(3)] == pytest.approx([1.0, 1.04, 1.08])


@pytest.mark.parametrize("pace", [0.0002, 0.024, 60.0])
def test_a_crowd_comes_back_at_any_moment_when_there_are_more_than_find_a_turn(pace: float) -> None:
    admission = Admission(busy=1, pace=pace, max_requests=0, clock=lambda: 100.0)
    hints = [told(admission) for _ in range(2000)]
    assert min(hints) == 1.0
    assert max(hints) <= 10.0
    in_each_second = Counter(int(hint) for hint in hints)
    assert max(in_each_second.values()) < 2000 / 9 * 1.5


def test_a_single_image_comes_before_those_that_archives_hold_back() -> None:
    admission = Admission(busy=4, pace=0.05)
    admission.pace = 10.0
    with ExitStack() as queued:
        for _ in range(3):
            queued.enter_context(admission.image())
        queued.enter_context(admission.hold())
        with admission.request(), admission.batch(1):
            pass
        with (
            pytest.raises(OverloadedError, match=r"4 images are queued, about 40\.00 s"),
            admission.request(archive=True),
        ):
            pass
        with pytest.raises(OverloadedError), admission.batch(2, archive=True):
            pass
    with admission.request(archive=True), admission.batch(2, archive=True):
        assert admission.held == 0


def full_at(admission: Admission) -> int:
    """Return how many images are queued when the next request is refused."""
    with ExitStack() as queued:
        for count in range(100):
            try:
                with admission.request():
                    queued.enter_context(admission.image())
            except OverloadedError:
                return count
    raise AssertionError("Nothing is refused.")


def test_a_pace_that_was_too_slow_at_the_start_is_forgotten() -> None:
    now = 0.0

    def answer(pace: float, times: int) -> None:
        nonlocal now
        with admission.image(), admission.image():
            for _ in range(times):
                with admission.image():
                    now += pace

    admission = Admission(busy=4, pace=0.2, batch=10, clock=lambda: now)
    answer(0.02, 400)
    assert full_at(admission) == 9
    # As soon as the machine is slower again, fewer are let in; and a pace that it never has again is forgotten.
    answer(0.03, 400)
    assert full_at(admission) == 6
    answer(0.03, 100_000)
    assert full_at(admission) == 9


def test_what_keeps_the_machine_at_work_is_let_in_however_slow_it_is() -> None:
    admission = Admission(busy=4, pace=0.01)
    admission.pace = 10.0
    with admission.image(), admission.image(), admission.image():
        with admission.request():
            pass
        with admission.image(), pytest.raises(OverloadedError), admission.request():
            pass


def test_the_pace_follows_the_load() -> None:
    now = 0.0
    admission = Admission(busy=2, pace=0.01, clock=lambda: now)
    with admission.image(), admission.image():
        for _ in range(400):
            with admission.image():
                now += 0.05
        assert admission.pace == pytest.approx(0.05, rel=0.01)
    learnt = admission.pace
    # An idle machine's answers say nothing of its pace.
    for _ in range(400):
        with admission.image():
            now += 1.0
    assert admission.pace == learnt


@pytest.mark.parametrize(("busy", "batch"), [(4, 2), (6, 2), (10, 4)])
@pytest.mark.parametrize("start", [0.7, 0.05, 0.006, 0.001])
def test_the_pace_is_found_from_wherever_it_begins(start: float, busy: int, batch: int) -> None:
    now, true = 0.0, 0.006
    admission = Admission(busy=busy, pace=start, batch=batch, clock=lambda: now)
    inside: list[ExitStack] = []
    for _ in range(500):
        while len(inside) < 40:  # who would be in
            stack = ExitStack()
            try:
                stack.enter_context(admission.request())
                stack.enter_context(admission.image())
            except OverloadedError:
                stack.close()
                break
            inside.append(stack)
        now += batch * true
        for each in inside[:batch]:
            each.close()
        del inside[:batch]
    assert admission.pace == pytest.approx(true, rel=0.1)


def test_bursts_that_are_answered_at_one_moment_say_nothing_of_the_pace() -> None:
    now = 0.0
    admission = Admission(busy=10, pace=0.006, batch=4, clock=lambda: now)
    for _ in range(500):
        with ExitStack() as lanes:
            for _ in range(8):
                lanes.enter_context(admission.image())
            now += 0.05
        now += 1.0
    assert admission.pace == 0.006
