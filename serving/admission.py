"""Admission: what cannot be answered in time is refused at once, before it takes memory or a place."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.errors import OverloadedError

MAX_REQUESTS = 24
"""A quarter of the 100 connections of the adapter in AWS's image: beyond those, requests wait in there, where nothing
can refuse them and the health check waits too. What is admitted keeps its own for as long as all of it takes together,
and the others must suffice for refusals, which the same Python process answers in between. With 80 admitted, and twice
as many requests as that process answers, they waited for seconds to be refused."""
MAX_IMAGES = 1024
"""What the machine remembers of admitted requests; some hundred kilobytes each."""
BUDGET_ROUNDS = 2.0
"""How long a new request may have to wait for those before it, in what the images that keep the machine at work take
when nothing else takes from it. Longer queues raise every answer's latency and nobody's throughput. A time and no
number of images: at twice the saturation half of two cores passes requests on, and as many images take twice as long.
No fixed time: on a faster machine answers would wait as long as on a slow one."""
RETURN_SECONDS = 1.0
"""When the first who is refused may come back."""
LAST_RETURN_SECONDS = 10.0
"""When the last may, however many there are: those that find the time until then taken come at any moment of it."""
ANSWERS_FOR_EACH_RETURN = 8
"""A refusal costs AWS's adapter as much as an answer does: come back together and at once, a crowd that is refused
takes the processors from those who are answered. So they come one by one, an eighth as often as requests are
answered."""
ADAPTER_SECONDS = 0.005
"""What AWS's adapter, one process, takes for a request: no more than one in this time is answered, however fast the
model is."""
SMOOTHING = 0.02
"""Weight of the newest of the intervals that the pace is the mean of: about the last fifty."""
FORGETTING = 1e-5
"""What the least pace grows by with each answer, so that nothing that was learnt wrongly stays for good."""


class Admission:
    """Counts what is under way, and refuses what would wait too long; all calls from one event loop.

    Parameters
    ----------
    busy
        Images that keep the whole machine at work; as many are always let in.
    pace
        Seconds per image when it is at work and nothing else is, as measured at the start; it follows the load from
        there, and the least that was found is what the budget is reckoned with.
    batch
        Images that are answered at one moment, at most.
    """

    def __init__(
        self,
        busy: int,
        pace: float,
        *,
        batch: int = 1,
        max_requests: int = MAX_REQUESTS,
        max_images: int = MAX_IMAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy, self._clock = busy, clock
        self._max_requests, self._max_images = max_requests, max_images
        self._batch = batch
        self._answers = 0
        self._last = 0.0
        self._latest_return = float("-inf")
        self._least = pace
        self.pace = pace
        self.requests = 0
        self.images = 0
        self.queued = 0
        self.held = 0

    @contextmanager
    def request(self, *, archive: bool = False) -> Iterator[None]:
        """Admit one request, of one image or of an archive of them, while the context lasts.

        Raises
        ------
        serving.errors.OverloadedError
        """
        if self.requests >= self._max_requests:
            raise self._refusal(f"{self.requests} requests are under way")
        self._check(archive=archive)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def batch(self, count: int, *, archive: bool = False) -> Iterator[None]:
        """Admit an admitted request's images while the context lasts.

        Raises
        ------
        serving.errors.OverloadedError
        """
        # Again: others may have been admitted while this one's body came.
        self._check(archive=archive)
        if self.images and self.images + count > self._max_images:
            raise self._refusal(f"{self.images} images are under way")
        self.images += count
        try:
            yield
        finally:
            self.images -= count

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Count an image of an archive that is not queued yet, and will be next, while the context lasts."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    @contextmanager
    def image(self) -> Iterator[None]:
        """Count an admitted image as queued, from its decoding to its answer, while the context lasts."""
        self.queued += 1
        try:
            yield
        finally:
            self.queued -= 1
            self._observe()

    def _check(self, *, archive: bool) -> None:
        # Archives wait for each other; a single image comes before those that archives hold back.
        before = self.queued + self.held * archive
        wait = before * self.pace
        if before >= self._busy and wait > BUDGET_ROUNDS * self._busy * self._least:
            raise self._refusal(f"{before} images are queued, about {wait:.2f} s of work")

    def _refusal(self, why: str) -> OverloadedError:
        now = self._clock()
        images = max(1.0, self.images / max(1, self.requests))  # in each request
        answer = max(ADAPTER_SECONDS, images * self.pace)
        after = max(RETURN_SECONDS, self._latest_return + ANSWERS_FOR_EACH_RETURN * answer - now)
        if after > LAST_RETURN_SECONDS:
            return OverloadedError(why, random.uniform(RETURN_SECONDS, LAST_RETURN_SECONDS))  # noqa: S311 - no secret
        self._latest_return = now + after
        return OverloadedError(why, after)

    def _observe(self) -> None:
        """Learn the pace from the time between answers, while enough is queued to keep the machine at work.

        Half of what keeps every thread at work is enough. With all of it as the measure, a pace so slow that no more
        is let in would never be found too slow: each answer leaves a place, and a batch's answers leave several.
        """
        if self.queued < self._busy / 2:
            self._answers = 0
            return
        now = self._clock()
        self._answers += 1
        # The first may be of one batch, at one moment, and nothing is known of when it began.
        if self._answers > self._batch:
            self.pace += SMOOTHING * (now - self._last - self.pace)
            self._least = min(self.pace, self._least * (1 + FORGETTING))
        self._last = now
