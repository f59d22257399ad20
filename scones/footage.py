"""Reads a video, or what a camera sends, and gives a frame every so often."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from scones.errors import FilesError

if TYPE_CHECKING:
    from av.container import InputContainer

SIDE = 1280
"""Pixels of a frame's longer side at most: more than the network looks at, enough for a person who reviews it."""
QUALITY = 90
READ_SECONDS = 15.0
"""How long a camera may say nothing."""


class Frame(NamedTuple):
    """One frame as JPEG, and its time in seconds since the first."""

    seconds: float
    content: bytes

    @property
    def name(self) -> str:
        """A file name that sorts by time."""
        return f"{self.seconds:010.3f}.jpg"


@dataclass(frozen=True)
class Footage:
    """A source of frames.

    Attributes
    ----------
    name
        The source, without a password that its address may hold.
    live
        Whether it goes on by itself, so that who reads too slowly must leave frames out.
    """

    name: str
    live: bool
    _container: InputContainer
    _every: float

    def frames(self) -> Iterator[Frame]:
        """Yield a frame every so many seconds, upright, the first one first.

        Raises
        ------
        FilesError
            When the source breaks off, or has no frame at all.
        """
        import av  # noqa: PLC0415

        first, due = None, 0.0
        try:
            for number, frame in enumerate(self._decoded()):
                at = frame.time if frame.time is not None else number / self._rate
                first = at if first is None else first
                seconds = at - first
                if seconds + 0.5 / self._rate < due:
                    # A camera that was started anew begins at nought.
                    due = min(due, seconds + self._every)
                    continue
                due = self._every * (math.floor((seconds + 0.5 / self._rate) / self._every) + 1)
                yield Frame(seconds, _jpeg(frame))
        except (av.FFmpegError, OSError) as error:
            raise FilesError(f"{self.name} broke off: {_reason(error)}.") from error
        finally:
            self._container.close()
        if first is None:
            raise FilesError(f"{self.name} holds no frame that can be read: give another video.")

    def _decoded(self) -> Iterator[Any]:
        import av  # noqa: PLC0415

        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        for packet in self._container.demux(stream):
            try:
                yield from packet.decode()
            except av.InvalidDataError:  # one packet is damaged, and the next may be whole
                continue

    @property
    def _rate(self) -> float:
        return float(self._container.streams.video[0].average_rate or 25)


def footage(source: str, every: float) -> Footage:
    """Open a video file, or the address of a stream.

    Parameters
    ----------
    source
        A file, or an address: `rtsp://…`, `http://…`, `udp://…`.
    every
        Seconds between frames.

    Raises
    ------
    FilesError
        When it cannot be opened or holds no pictures.
    """
    try:
        import av  # noqa: PLC0415  # a package that this command alone needs
    except ImportError as error:
        raise FilesError(
            "Reading a video needs PyAV: run `.venv/bin/python -m pip install -c constraints.txt -e '.[video]'`."
        ) from error
    address = "://" in source
    name = _without_password(source)
    if not address and not Path(source).is_file():
        raise FilesError(f"There is no video {name}: name a file, or a stream's address such as rtsp://….")
    options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
    try:
        container = av.open(source, options=options, timeout=READ_SECONDS if address else None)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise FilesError(f"{name} cannot be read as a video: {_reason(error)}.") from error
    if not container.streams.video or container.format.name == "tty":  # FFmpeg plays texts, too
        container.close()
        raise FilesError(f"{name} holds no pictures: give a video.")
    return Footage(name, address and container.duration is None, container, every)


def _jpeg(frame: Any) -> bytes:
    image = frame.to_image()
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _without_password(source: str) -> str:
    if "://" not in source or "@" not in source:
        return source
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _reason(error: BaseException) -> str:
    if type(error).__name__ == "ExitError":  # FFmpeg's word for a time that is over
        return f"nothing came for {READ_SECONDS:.0f} s"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).strip().rstrip(".")
