"""AWS's adapter before an application that answers at once: what it passes on at most, whatever stands behind it.

python -m benchmarks.adapter PORT serves that application.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvicorn

from localcloud.containers import adapter
from localcloud.ports import free_port

START_SECONDS = 30.0
Message = dict[str, Any]


async def application(
    _scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Read one request, and answer it."""
    while (await receive()).get("more_body"):
        pass
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})


@contextlib.contextmanager
def alone() -> Iterator[str]:
    """Serve it while the context lasts, and give its address.

    Raises
    ------
    RuntimeError
        When it does not start.
    """
    behind, port = free_port(), free_port()
    variables = {
        **os.environ,
        "RAYSERVE_BACKEND_URL": f"http://127.0.0.1:{behind}",
        "ADAPTER_PORT": str(port),
    }
    with contextlib.ExitStack() as started:
        for command in (["-m", "benchmarks.adapter", str(behind)], [str(Path(adapter.__file__))]):
            process = subprocess.Popen(
                [sys.executable, *command],
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # some lines for each request
                start_new_session=True,  # Ctrl-C would reach it, and its end is the parent's affair
            )
            started.callback(process.wait)
            started.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        while not _healthy(port):
            if time.monotonic() > deadline:
                raise RuntimeError("The adapter alone does not answer.")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/invocations"


def _healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
