"""Sends a video's frames in, and reads what became of each while others follow."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from scones.classification import POLL_SECONDS, WORKERS, Decision, Inbox
from scones.files import new_batch
from scones.footage import Footage, Frame
from scones.target import Target

UNDER_WAY = 40
"""Frames that are sent and not decided, at most: a few groups of what one request to the endpoint carries."""

READ_AHEAD = 10
"""Frames that wait to be sent, at most; of a camera, newer ones are left out meanwhile."""


class Seen(NamedTuple):
    """A frame's time in seconds, and what became of it."""

    seconds: float
    decision: Decision


@dataclass
class Reader:
    """Reads footage in a thread of its own: a camera does not wait.

    Attributes
    ----------
    left_out
        Frames of a camera that nobody had time for.
    error
        Why the footage ended, if it broke off; to be read when `next` has returned None and `ended` is set.
    """

    footage: Footage
    limit: int | None = None
    left_out: int = 0
    error: Exception | None = None
    _frames: queue.Queue[Frame] = field(default_factory=lambda: queue.Queue(READ_AHEAD))
    _read: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A camera that says nothing holds its thread for seconds, and must not hold the end of the program.
        threading.Thread(target=self._run, name="footage", daemon=True).start()

    def next(self, seconds: float) -> Frame | None:
        """Return the next frame; None if none comes in so many seconds."""
        try:
            return self._frames.get(timeout=seconds) if seconds else self._frames.get_nowait()
        except queue.Empty:
            return None

    @property
    def ended(self) -> bool:
        """Whether all frames have been read, and taken."""
        return self._read.is_set() and self._frames.empty()

    def stop(self) -> None:
        """Read no more."""
        self._stopped.set()

    def _run(self) -> None:
        given = 0
        try:
            for frame in self.footage.frames():
                given += self._give(frame)
                if self._stopped.is_set() or given == self.limit:
                    break
        except Exception as error:  # raised where the frames are taken
            self.error = error
        finally:
            self._read.set()

    def _give(self, frame: Frame) -> bool:
        live = self.footage.live
        while not self._stopped.is_set():
            try:
                self._frames.put(frame, block=not live, timeout=POLL_SECONDS)
            except queue.Full:
                if live:
                    self.left_out += 1
                    return False
            else:
                return True
        return False


def decide(target: Target, reader: Reader, *, patience: float) -> Iterator[Seen]:
    """Send frames, and yield what becomes of each as soon as it is known.

    Parameters
    ----------
    target
        The deployment.
    reader
        Gives the frames.
    patience
        Seconds without any new outcome after which all are given up: those that wait come without an outcome.

    Raises
    ------
    FilesError
        When the footage broke off, after what had been sent.
    """
    inbox, batch = Inbox.of(target), new_batch()
    sending: deque[tuple[float, Future[Decision]]] = deque()
    waiting: list[Seen] = []
    news = time.monotonic()

    def send(frame: Frame) -> Decision:
        key = f"{target.classifier}/{batch}/{frame.name}"
        return inbox.send(key, frame.content, "image/jpeg", f"{reader.footage.name} at {frame.seconds:.3f} s")

    pool = ThreadPoolExecutor(WORKERS)
    try:
        while waiting or sending or not reader.ended:
            room = UNDER_WAY - len(waiting) - len(sending)
            # Waits for a frame where there is nothing else to wait for, and otherwise between two looks at the table.
            frame = reader.next(POLL_SECONDS) if room else None
            while frame is not None:
                sending.append((frame.seconds, pool.submit(send, frame)))
                room -= 1
                frame = reader.next(0) if room else None
            if not room:
                time.sleep(POLL_SECONDS)
            if not waiting and not sending:
                news = time.monotonic()
            while sending and (sending[0][1].done() or not waiting):
                seconds, sent = sending.popleft()
                waiting.append(Seen(seconds, sent.result()))
            looked = pool.map(inbox.look, [each.decision for each in waiting])
            waiting = [Seen(each.seconds, found) for each, found in zip(waiting, looked, strict=True)]
            for each in waiting:
                if each.decision.outcome is not None:
                    news = time.monotonic()
                    yield each
            waiting = [each for each in waiting if each.decision.outcome is None]
            if waiting and time.monotonic() - news > patience:
                reader.stop()
                yield from waiting
                # What is on its way arrives, and is not waited for; the rest is not sent.
                yield from (Seen(seconds, sent.result()) for seconds, sent in sending if not sent.cancel())
                return
    finally:
        reader.stop()
        pool.shutdown(wait=True, cancel_futures=True)
    if reader.error:
        raise reader.error
