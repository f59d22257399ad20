"""Admission: what cannot be answered in time is refused at once, before it takes memory or a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import OverloadedError

MAX_REQUESTS = 80
"""Fewer than the 100 connections of the adapter in AWS's image: beyond those, requests would wait in there,
where nothing can refuse them and the health check waits too."""
MAX_IMAGES = 1024
"""About 20 seconds of two CPU cores; SageMaker gives an answer 60."""


class Admission:
    """Counts requests and images while they are under way; all calls from one event loop."""

    def __init__(self, max_requests: int = MAX_REQUESTS, max_images: int = MAX_IMAGES) -> None:
        self._max_requests, self._max_images = max_requests, max_images
        self.requests = 0
        self.images = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Admit one request while the context lasts.

        Raises
        ------
        serving.errors.OverloadedError
        """
        if self.requests >= self._max_requests:
            raise OverloadedError(f"{self.requests} requests are under way: send this one again in a second.")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Admit an admitted request's images while the context lasts.

        Raises
        ------
        serving.errors.OverloadedError
        """
        if self.images and self.images + count > self._max_images:
            raise OverloadedError(f"{self.images} images are under way: send these again in a second.")
        self.images += count
        try:
            yield
        finally:
            self.images -= count
