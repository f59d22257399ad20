"""Batches across requests: whatever waits when a lane of the model falls idle is the next batch.

Ray's own `@serve.batch` closes a batch by the clock, also while the model is busy. Under load it then queues
many small batches, where one large one costs hardly more: throughput falls as concurrency grows. Here nothing
waits for company while a lane is idle, and busy lanes make the next batch grow by themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batched(NamedTuple, Generic[Result]):
    """An item's result, with the seconds that it waited for its batch and that the batch ran."""

    result: Result
    waited: float
    ran: float


@dataclass
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Batched[Result]]
    since: float


class Batcher(Generic[Item, Result]):
    """Runs single items as batches; all calls from one event loop.

    Parameters
    ----------
    run
        Gives a result per item, in order; called in `executor`.
    largest
        Items that a batch holds at most.
    executor
        Where batches run.
    lanes
        Batches that run at a time.
    linear
        Whether a batch takes about as long as its items do one by one: a lane then leaves those that are busy their
        share of what waits, and what comes together is done together.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], list[Result]],
        largest: int,
        executor: Executor,
        lanes: int = 1,
        *,
        linear: bool = False,
    ) -> None:
        self._run, self._largest, self._executor = run, largest, executor
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._idle = self._lanes = lanes
        self._linear = linear
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Batched[Result]:
        """Return the item's result; an exception of its batch is raised here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Batched[Result]] = loop.create_future()
        self._waiting.append(_Waiting(item, future, time.perf_counter()))
        if self._idle:
            # Not at once: what else arrives in this turn of the loop shares the batch.
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        """Give every idle lane its share of what waits."""
        while self._idle and (batch := self._next()):
            self._idle -= 1
            task = asyncio.get_running_loop().create_task(self._lane(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _lane(self, batch: list[_Waiting[Item, Result]]) -> None:
        """Run batches until nothing waits."""
        loop = asyncio.get_running_loop()
        while batch:
            started = time.perf_counter()
            try:
                results = await loop.run_in_executor(self._executor, self._run, [each.item for each in batch])
                answered = list(zip(batch, results, strict=True))
            except Exception as error:  # handed to whoever waits; the next batch is another matter
                for each in batch:
                    if not each.future.done():
                        each.future.set_exception(error)
            else:
                ran = time.perf_counter() - started
                for each, result in answered:
                    if not each.future.done():
                        each.future.set_result(Batched(result, started - each.since, ran))
            self._idle += 1
            batch = self._next()
            self._idle -= bool(batch)

    def _next(self) -> list[_Waiting[Item, Result]]:
        """Take an idle lane's share of what waits, without what nobody waits for any more."""
        sharing = self._lanes if self._linear else self._idle
        count = min(self._largest, -(-len(self._waiting) // sharing))
        batch: list[_Waiting[Item, Result]] = []
        while self._waiting and len(batch) < count:
            each = self._waiting.popleft()
            if not each.future.done():
                batch.append(each)
        return batch
