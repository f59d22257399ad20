"""Batches that form while the model is busy."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from serving.batching import Batched, Batcher


class Model:
    """Doubles numbers, keeps the batches it saw, and waits for its gate before each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        assert self.gate.acquire(timeout=10)
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.002)


def test_a_batch_grows_when_the_model_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that ticks when it is looked at: submitted at 1 and 3 to 8, begun at 2, 10 and 12.
    ticks = itertools.count(1)
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("serving.batching.time", clock)

    async def scenario() -> None:
        model = Model()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, 4, executor)
            first = asyncio.ensure_future(batcher.submit(0))
            await _settle()
            rest = [asyncio.ensure_future(batcher.submit(number)) for number in range(1, 7)]
            await _settle()
            model.gate.release(3)
            found = await asyncio.gather(first, *rest)
            assert [each.result for each in found] == [0, 2, 4, 6, 8, 10, 12]
            assert [each.waited for each in found] == [1, 7, 6, 5, 4, 5, 4]
            assert [each.ran for each in found] == [7, 1, 1, 1, 1, 1, 1]
        assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]

    asyncio.run(scenario())


def test_idle_lanes_share_what_waits() -> None:
    async def scenario() -> None:
        model = Model()
        model.gate.release(3)
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(model, 4, executor, lanes=2)
            found = await asyncio.gather(*(batcher.submit(number) for number in range(6)))
            assert [each.result for each in found] == [0, 2, 4, 6, 8, 10]
            assert (await batcher.submit(6)).result == 12
        assert sorted(model.batches) == [[0, 1, 2], [3, 4, 5], [6]]

    asyncio.run(scenario())


def test_a_lane_leaves_the_others_their_share_when_a_batch_takes_as_long_as_its_items() -> None:
    async def scenario() -> None:
        model = Model()
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(model, 4, executor, lanes=2, linear=True)
            asked = [asyncio.ensure_future(batcher.submit(number)) for number in range(2)]
            await _settle()
            asked += [asyncio.ensure_future(batcher.submit(number)) for number in range(2, 6)]
            await _settle()
            for _ in range(5):
                model.gate.release()
                await _settle()
            assert [each.result for each in await asyncio.gather(*asked)] == [0, 2, 4, 6, 8, 10]
        assert sorted(model.batches) == [[0], [1], [2, 3], [4], [5]]

    asyncio.run(scenario())


def test_only_its_batch_fails_when_the_model_raises() -> None:
    async def scenario() -> None:
        model = Model()
        model.gate.release(3)
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, 2, executor)
            found = await asyncio.gather(
                *(batcher.submit(number) for number in (1, 13, 3)), return_exceptions=True
            )
            assert [type(each) for each in found] == [ValueError, ValueError, Batched]
            assert (await batcher.submit(4)).result == 8

    asyncio.run(scenario())


def test_a_batch_fails_when_the_model_answers_too_few() -> None:
    def lucky(items: Sequence[int]) -> list[int]:
        return [each for each in items if each != 13]

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(lucky, 2, executor)
            found = await asyncio.gather(
                *(batcher.submit(number) for number in (1, 13)), return_exceptions=True
            )
            assert [type(each) for each in found] == [ValueError, ValueError]
            assert (await batcher.submit(4)).result == 4

    asyncio.run(scenario())


def test_an_item_is_left_out_when_nobody_waits_for_it() -> None:
    async def scenario() -> None:
        model = Model()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, 4, executor)
            first, gone, kept = (asyncio.ensure_future(batcher.submit(number)) for number in (1, 2, 3))
            await _settle()
            late = asyncio.ensure_future(batcher.submit(4))
            await _settle()
            late.cancel()
            gone.cancel()
            model.gate.release(2)
            assert [(await first).result, (await kept).result] == [2, 6]
            with pytest.raises(asyncio.CancelledError):
                await late
            assert (await batcher.submit(5)).result == 10
        assert model.batches == [[1, 2, 3], [5]]

    asyncio.run(scenario())
