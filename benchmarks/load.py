"""Load over HTTP, bounded in time, with what came back."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

PATIENCE = aiohttp.ClientTimeout(total=90)
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they carry; `images` in each."""

    url: str
    bodies: Sequence[bytes]
    content_type: str
    images: int = 1


@dataclass
class Load:
    """What a load did: counts by status (0: none came), seconds of the answers by status, and of the whole."""

    images: int
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: dict[int, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, status: int, latency: float) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        self.latencies.setdefault(status, []).append(latency)

    @property
    def rate(self) -> float:
        """Images per second that were answered."""
        return self.images * self.statuses[200] / self.seconds

    def percentile(self, share: float, status: int = 200) -> float:
        """Return the latency in seconds that this share of the answers of a status stayed below."""
        ordered = sorted(self.latencies.get(status, []))
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def _ask(session: aiohttp.ClientSession, target: Target, body: bytes) -> tuple[int, str]:
    try:
        async with session.post(
            target.url, data=body, headers={"Content-Type": target.content_type}
        ) as answer:
            await answer.read()
            return answer.status, answer.headers.get(ATTRIBUTES, "")
    except (aiohttp.ClientError, TimeoutError):
        return 0, ""


async def _open_loop(target: Target, rate: float, seconds: float) -> Load:
    """Send `rate` requests a second, by chance, whatever became of those before; latency counts from its due time."""
    load, chance, bodies = Load(target.images), random.Random(0), itertools.cycle(target.bodies)  # noqa: S311
    async with aiohttp.ClientSession(
        timeout=PATIENCE, connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
    ) as session:
        started = time.perf_counter()

        async def one(due: float, body: bytes) -> None:
            status, _ = await _ask(session, target, body)
            load.add(status, time.perf_counter() - due)

        due, asked = started, []
        while (due := due + chance.expovariate(rate)) < started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(asyncio.ensure_future(one(due, next(bodies))))
        await asyncio.gather(*asked)
        load.seconds = max(seconds, time.perf_counter() - started)
    return load


async def _closed_loop(target: Target, clients: int, seconds: float, requests: int) -> Load:
    """Clients ask one request after the other; who is told to come back later does so."""
    load, bodies = Load(target.images), itertools.cycle(target.bodies)
    async with aiohttp.ClientSession(
        timeout=PATIENCE, connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
    ) as session:
        started = time.perf_counter()

        async def client() -> None:
            while time.perf_counter() < started + seconds and load.statuses[200] < requests:
                asked = time.perf_counter()
                status, hint = await _ask(session, target, next(bodies))
                load.add(status, time.perf_counter() - asked)
                if status == 429:
                    await asyncio.sleep(float(hint.partition("retry-after=")[2] or 1))

        await asyncio.gather(*(client() for _ in range(clients)))
        load.seconds = time.perf_counter() - started
    return load


def open_loop(target: Target, rate: float, seconds: float) -> Load:
    """Send `rate` requests a second for some seconds, and wait for the last answer."""
    return asyncio.run(_open_loop(target, rate, seconds))


def closed_loop(target: Target, clients: int, seconds: float, requests: int = 10**9) -> Load:
    """Let some clients ask for some seconds, or until so many requests were answered."""
    return asyncio.run(_closed_loop(target, clients, seconds, requests))
