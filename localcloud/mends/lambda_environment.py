"""A function has Lambda's variables and its own; ministack 1.5.33 adds all of the emulator's.

Powertools, for one, takes the emulator's `LOG_LEVEL` for the function's. The instance's marker stays: it is
how the function's process is found when the instance ends.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Any

from localcloud.processes import MARKER

KEPT = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "TZ", "NODE_PATH", "PYTHONDONTWRITEBYTECODE", MARKER})
PREFIXES = ("AWS_", "LAMBDA_", "_")
"""Lambda's own, and what ministack's worker script reads."""


def apply() -> None:
    """Take the emulator's variables out where the process of a function is started."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    spawn = lambda_runtime.Worker._spawn
    spawning = threading.local()

    def wanted(name: str, own: dict[str, str]) -> bool:
        return name in own or name in KEPT or name.startswith(PREFIXES)

    class Processes:
        """The module `subprocess`, as ministack's worker sees it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(subprocess, name)

        @staticmethod
        def Popen(*arguments: Any, **options: Any) -> subprocess.Popen[Any]:  # noqa: N802
            own = getattr(spawning, "own", None)
            if own is not None and options.get("env"):
                options["env"] = {name: value for name, value in options["env"].items() if wanted(name, own)}
            return subprocess.Popen(*arguments, **options)

    def spawned(self: Any, *arguments: Any, **options: Any) -> Any:
        spawning.own = self.config.get("Environment", {}).get("Variables", {})
        try:
            return spawn(self, *arguments, **options)
        finally:
            spawning.own = None

    lambda_runtime.subprocess = Processes()
    lambda_runtime.Worker._spawn = spawned
