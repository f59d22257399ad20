"""Finds and ends every process that belongs to one instance, wherever it went.

Ray's daemons leave the process group and outlive their parent, so a process group is not enough: all
children inherit an environment variable that names the instance, and are found by it.
"""

from __future__ import annotations

import contextlib
import os

import psutil

MARKER = "LOCALCLOUD_INSTANCE"
"""Environment variable that every process of an instance inherits."""
DEATH_SECONDS = 3.0
"""A killed process is gone by then, unless the machine is very busy."""


def belonging(value: str, *, marker: str = MARKER) -> list[psutil.Process]:
    """List the processes that carry the marker, and their descendants, without this process.

    Descendants count because a process that sets its own title, as Ray's workers do, may overwrite the
    memory that its environment is read from.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(marker) != value:
                continue
            for each in (process, *process.children(recursive=True)):
                found[each.pid] = each
        except psutil.Error:
            continue
    found.pop(os.getpid(), None)
    return list(found.values())


def end_all(value: str, *, marker: str = MARKER, grace: float = 3.0) -> None:
    """End the processes that carry the marker, until none is left: politely for `grace` seconds, then at once."""
    for _ in range(5):
        alive = belonging(value, marker=marker)
        if not alive:
            return
        if grace:
            for process in alive:
                _signal(process, kill=False)
            _, alive = psutil.wait_procs(alive, timeout=grace)
        for process in alive:
            _signal(process, kill=True)
        psutil.wait_procs(alive, timeout=DEATH_SECONDS)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill() if kill else process.terminate()
