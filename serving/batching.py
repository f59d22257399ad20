"""Batches across requests: whatever waits when the model falls idle is the next batch.

Ray's own `@serve.batch` closes a batch by the clock, also while the model is busy. Under load it then queues
many small batches, where one large one costs hardly more: throughput falls as concurrency grows. Here nothing
waits for company while the model is idle, and a busy model makes the next batch grow by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Runs single items as batches, one batch at a time; all calls from one event loop.

    Parameters
    ----------
    run
        Gives a result per item, in order; called in `executor`.
    largest
        Items that a batch holds at most.
    executor
        Where batches run.
    """

    def __init__(
        self, run: Callable[[Sequence[Item]], list[Result]], largest: int, executor: Executor
    ) -> None:
        self._run, self._largest, self._executor = run, largest, executor
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the item's result; an exception of its batch is raised here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            try:
                results = await loop.run_in_executor(self._executor, self._run, [item for item, _ in batch])
            except Exception as error:  # handed to whoever waits; the next batch is another matter
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Take what waits, up to a batch, without what nobody waits for any more."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._largest:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch
