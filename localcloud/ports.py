"""Free loopback ports, where no system hands out its own meanwhile."""

from __future__ import annotations

import random
import socket
from collections import deque

import psutil

LOWEST, HIGHEST = 20_000, 31_999
"""Below the ranges from which Linux and macOS take the ports of outgoing connections.

A server binds its port seconds after it was chosen; from the system's own range it may be gone by then.
"""
TRIES = 200
_given: deque[int] = deque(maxlen=500)
"""By this process of late: who asked may not listen there yet."""
SPAN = 5
"""Ports that whoever asked for one may listen on, from that one on."""


def free_port() -> int:
    """Return a port that nothing listens on now, and that this process was not given of late."""
    for _ in range(TRIES):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311  # not a secret
        if any(abs(port - other) < SPAN for other in tuple(_given)):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.append(port)
        return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def listening(port: int) -> bool:
    """Say whether anything listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listens(pid: int, port: int) -> bool:
    """Say whether it is this process that listens on a port."""
    try:
        connections = psutil.Process(pid).net_connections(kind="inet")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
