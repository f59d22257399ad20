"""Keeps a replica of Ray Serve to loopback; Ray's workers call it as they start.

A replica opens a gRPC server on every interface, and unpickles what it gets: in a container of AWS's, whose network is
closed, nobody reaches it; on a machine, whoever is near would.
"""

from __future__ import annotations

from typing import Any

from grpc.aio import _server as aio  # type: ignore[import-untyped]

HOOK = {"__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR": f"{__name__}.keep"}
"""Ray's own variable for what a worker calls, which an application's runtime environment would set."""
EVERYWHERE = ("[::]:", "0.0.0.0:")


def keep() -> None:
    """Let gRPC servers of this process that would listen on every interface listen on loopback."""
    listen = aio.Server.add_insecure_port

    def on_loopback(self: Any, address: str) -> Any:
        for each in EVERYWHERE:
            if address.startswith(each):
                address = f"127.0.0.1:{address.removeprefix(each)}"
        return listen(self, address)

    aio.Server.add_insecure_port = on_loopback
