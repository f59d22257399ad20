"""Load over HTTP from several processes, bounded in time, with what came back."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import aiohttp

PATIENCE = aiohttp.ClientTimeout(total=90)
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SENDERS = max(1, (os.cpu_count() or 1) // 4)
"""Processes that send: one needs 0.2 to 0.4 ms of a processor for each request, and where it is late it measures
itself."""
_TOTAL = re.compile(r"\btotal;dur=([\d.]+)")


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they carry: `images` in each, over so many `connections` at most, or any number."""

    url: str
    bodies: Sequence[bytes]
    content_type: str
    images: int = 1
    connections: int = 0

    @property
    def each(self) -> str:
        """Return what one request carries, in words."""
        return f"{self.images} image{'s' * (self.images > 1)} a request"


@dataclass
class Load:
    """What a load did: counts and seconds of the answers by status (0: none came), and the seconds of the whole."""

    images: int
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: dict[int, list[float]] = field(default_factory=dict)
    inside: list[float] = field(default_factory=list)
    """Seconds that the application says it took, of what it answered with 200, where it says so."""
    late: list[float] = field(default_factory=list)
    """Seconds after its due time that a request was sent: above some milliseconds, the senders are too slow."""
    seconds: float = 0.0

    def add(self, status: int, latency: float, attributes: str) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        self.latencies.setdefault(status, []).append(latency)
        if status == 200 and (found := _TOTAL.search(attributes)):
            self.inside.append(float(found[1]) / 1000)

    def join(self, other: Load) -> None:
        """Add what another process's part of the same load did."""
        self.statuses += other.statuses
        for status, latencies in other.latencies.items():
            self.latencies.setdefault(status, []).extend(latencies)
        self.inside += other.inside
        self.late += other.late
        self.seconds = max(self.seconds, other.seconds)

    @property
    def rate(self) -> float:
        """Images per second that were answered."""
        return self.images * self.statuses[200] / self.seconds

    def percentile(self, share: float, status: int = 200) -> float:
        """Return the latency in seconds that this share of the answers of a status stayed below."""
        return percentile(self.latencies.get(status, []), share)


def percentile(values: Sequence[float], share: float) -> float:
    """Return what this share of the values stayed below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _session(target: Target) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=PATIENCE, connector=aiohttp.TCPConnector(limit=target.connections), auto_decompress=False
    )


async def _ask(session: aiohttp.ClientSession, target: Target, body: bytes) -> tuple[int, str]:
    try:
        async with session.post(
            target.url, data=body, headers={"Content-Type": target.content_type}
        ) as answer:
            await answer.read()
            return answer.status, answer.headers.get(ATTRIBUTES, "")
    except (aiohttp.ClientError, TimeoutError):
        return 0, ""


async def _open_loop(target: Target, rate: float, seconds: float, sender: int) -> Load:
    load, chance, bodies = Load(target.images), random.Random(sender), itertools.cycle(target.bodies)  # noqa: S311
    async with _session(target) as session:
        started = time.perf_counter()

        async def one(due: float, body: bytes) -> None:
            load.late.append(time.perf_counter() - due)
            status, attributes = await _ask(session, target, body)
            load.add(status, time.perf_counter() - due, attributes)

        due, asked = started, []
        while (due := due + chance.expovariate(rate)) < started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(asyncio.ensure_future(one(due, next(bodies))))
        await asyncio.gather(*asked)
        load.seconds = max(seconds, time.perf_counter() - started)
    return load


async def _closed_loop(target: Target, clients: int, seconds: float, requests: float) -> Load:
    load, bodies, enough = Load(target.images), itertools.cycle(target.bodies), asyncio.Event()
    async with _session(target) as session:
        started = time.perf_counter()

        async def client() -> None:
            while time.perf_counter() < started + seconds and not enough.is_set():
                asked = time.perf_counter()
                status, attributes = await _ask(session, target, next(bodies))
                load.add(status, time.perf_counter() - asked, attributes)
                if load.statuses[200] >= requests:
                    enough.set()
                if status == 429:
                    hint = float(attributes.partition("retry-after=")[2] or 1)
                    # No longer than the load lasts: whoever would come back after it is not waited for.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(
                            enough.wait(), min(hint, started + seconds - time.perf_counter())
                        )

        await asyncio.gather(*(client() for _ in range(clients)))
        load.seconds = time.perf_counter() - started
    return load


def _sender(pipe: Connection) -> None:
    """Send one process's parts of loads until the parent has ended, or ends this."""
    # Ctrl-C reaches this too, and its end is the parent's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(None)  # ready
    with suppress(EOFError):
        while True:
            loop, *part = pipe.recv()
            pipe.send(asyncio.run(loop(*part)))


class Senders:
    """Processes that send a load together; a context, which ends them.

    Parameters
    ----------
    count
        How many.
    """

    def __init__(self, count: int = SENDERS) -> None:
        self._count = count
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []

    def __enter__(self) -> Senders:
        # Not forked: the caller may have threads, and a GPU.
        context = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_sender, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # so that its end is noticed
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()  # when it is ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.join()

    def open_loop(self, target: Target, rate: float, seconds: float) -> Load:
        """Send `rate` requests a second for some seconds, by chance and whatever became of those before.

        Waits for the last answer. Latency counts from when a request was due.
        """
        parts = [(rate / self._count, seconds, sender) for sender in range(self._count)]
        return self._send(_open_loop, target, parts)

    def closed_loop(
        self, target: Target, clients: int, seconds: float, requests: float = float("inf")
    ) -> Load:
        """Let some clients ask, one request after the other, for some seconds or until so many were answered.

        Who is told to come back later does so.
        """
        shares = [len(range(sender, clients, self._count)) for sender in range(self._count)]
        parts = [(share, seconds, requests * share / clients) for share in shares]
        return self._send(_closed_loop, target, parts)

    def _send(self, loop: Callable[..., Any], target: Target, parts: Sequence[tuple[float, ...]]) -> Load:
        whole = Load(target.images)
        if target.connections:
            target = replace(target, connections=max(1, target.connections // self._count))
        try:
            for pipe, part in zip(self._pipes, parts, strict=True):
                pipe.send((loop, target, *part))
            for pipe in self._pipes:
                whole.join(pipe.recv())
        except (EOFError, OSError) as error:
            raise RuntimeError("A process that sends the load has ended.") from error
        return whole
