"""Tells a person what the demo does: live on a terminal, in plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Voice:
    """One line per event that matters; on a terminal, also what is going on right now."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._status: Status | None = None
        self._title = ""
        self._started = 0.0

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Announce a phase, and say how long it took."""
        self._title, self._started = title, time.monotonic()
        if self.console.is_terminal:
            self._status = Status(title, console=self.console)
            self._status.start()
        else:
            self.say(f"{title} …")
        try:
            yield
        finally:
            if self._status is not None:
                self._status.stop()
                self._status = None
        self.say(f"{title}: done in {time.monotonic() - self._started:.0f} s", style="green")

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def detail(self, text: str) -> None:
        """Print a line below the phase's."""
        self.say(f"  {text}", style="dim")

    def now(self, text: str) -> None:
        """Show what is going on; on a terminal only."""
        if self._status is not None:
            room = max(20, self.console.width - len(self._title) - 12)
            elapsed = time.monotonic() - self._started
            self._status.update(Text(f"{self._title} {elapsed:.0f} s  {text[:room]}"))
