"""Sends a video's frames in, and reads what became of each while others follow."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
        Seconds without anything new, an upload's end or an outcome, after which all are given up: those that wait come
        without an outcome.

    Raises
    ------
    FilesError
        When the footage broke off, after what had been sent.
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        When something was refused, after what had been sent came without an outcome.
    """
    under_way = _UnderWay(target, reader.footage.name, patience)
    try:
        while under_way or not reader.ended:
            # Waits for a frame where there is nothing else to wait for, and otherwise between two looks at the table.
            frame = reader.next(POLL_SECONDS) if under_way.room else None
            while frame is not None:
                under_way.send(frame)
                frame = reader.next(0) if under_way.room else None
            if not under_way.room:
                time.sleep(POLL_SECONDS)
            yield from under_way.decided()
            if under_way.too_long:
                reader.stop()
                yield from under_way.given_up()
                return
    except Exception:  # something was refused
        reader.stop()
        yield from under_way.given_up()
        raise
    finally:
        reader.stop()
        under_way.close()
    if reader.error:
        raise reader.error


class _Sent(NamedTuple):
    """A frame on its way, without its version, and the upload, which has it."""

    frame: Seen
    upload: Future[Decision]


class _UnderWay:
    """Frames that are sent and not decided, of one video."""

    def __init__(self, target: Target, video: str, patience: float) -> None:
        self._inbox, self._video, self._patience = Inbox.of(target), video, patience
        self._batch = f"{target.classifier}/{new_batch()}"
        self._sending: list[_Sent] = []
        self._waiting: list[Seen] = []
        self._news = time.monotonic()
        # Apart, so that outcomes are seen though uploads hang.
        self._senders, self._lookers = ThreadPoolExecutor(WORKERS), ThreadPoolExecutor(WORKERS)

    def __len__(self) -> int:
        return len(self._sending) + len(self._waiting)

    @property
    def room(self) -> bool:
        """Whether another frame may be sent."""
        return len(self) < UNDER_WAY

    @property
    def too_long(self) -> bool:
        """Whether nothing has ended for longer than one would wait."""
        return len(self) > 0 and time.monotonic() - self._news > self._patience

    def send(self, frame: Frame) -> None:
        """Begin to send a frame."""
        if not self:
            self._news = time.monotonic()
        key, file = f"{self._batch}/{frame.name}", f"{self._video} at {frame.seconds:.3f} s"
        upload = self._senders.submit(self._inbox.send, key, frame.content, "image/jpeg", file)
        unknown = Decision(file, f"s3://{self._inbox.bucket}/{key}", "")
        self._sending.append(_Sent(Seen(frame.seconds, unknown), upload))

    def decided(self) -> list[Seen]:
        """Return the frames that have an outcome now."""
        uploads = [each.upload for each in self._sending]
        done, _ = wait(uploads, 0 if self._waiting else POLL_SECONDS, FIRST_COMPLETED)
        there = [each for each in self._sending if each.upload in done]
        self._sending = [each for each in self._sending if each.upload not in done]
        refused = [error for each in there if (error := each.upload.exception())]
        self._waiting += [Seen(at.seconds, up.result()) for at, up in there if up.exception() is None]
        if refused:
            raise refused[0]
        with contextlib.suppress(TimeoutError):
            looked = self._lookers.map(
                self._inbox.look, [each.decision for each in self._waiting], timeout=self._patience
            )
            pairs = zip(self._waiting, looked, strict=True)
            self._waiting = [Seen(each.seconds, found) for each, found in pairs]
        found = [each for each in self._waiting if each.decision.outcome is not None]
        self._waiting = [each for each in self._waiting if each.decision.outcome is None]
        if there or found:
            self._news = time.monotonic()
        return found

    def given_up(self) -> Iterator[Seen]:
        """Yield what is there, or may be, and is waited for no longer."""
        yield from self._waiting
        for frame, upload in self._sending:
            if upload.cancel():
                continue  # it was not sent
            if not upload.done():
                yield frame
            elif upload.exception() is None:
                yield Seen(frame.seconds, upload.result())

    def close(self) -> None:
        """Begin nothing more, and wait for nothing."""
        for pool in (self._senders, self._lookers):
            pool.shutdown(wait=False, cancel_futures=True)
