"""How commands end."""

from __future__ import annotations

import os
import signal

import pytest

from scones.commands import as_interrupt


def test_a_signal_that_comes_twice_lets_what_it_ended_clean_up() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt), as_interrupt(signal.SIGTERM, signal.SIGHUP):
        work()
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) == before
