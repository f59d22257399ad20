"""boto3 clients, made at first use: an import must cost a cold start nothing that it does not need."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config

_MAKING = threading.RLock()
"""boto3's default session must not be used by two threads at once; the clients it makes may."""


def client(service: str, *, read_timeout: int = 30, attempts: int = 4, connections: int = 16) -> Any:
    """Return the client of a service, the same one each time.

    Parameters
    ----------
    service
        boto3's name of it.
    read_timeout
        Seconds to wait for an answer.
    attempts
        Calls in all, the first included.
    connections
        How many may be open at once.
    """
    with _MAKING:
        return _make(service, read_timeout, attempts, connections)


@functools.cache
def _make(service: str, read_timeout: int, attempts: int, connections: int) -> Any:
    import boto3  # noqa: PLC0415  # costs a tenth of a second or more; what makes no call does not pay it
    from botocore.config import Config  # noqa: PLC0415

    config: Config = Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]
