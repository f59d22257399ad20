"""Reads a video, or what a camera sends, and gives a frame every so often."""

from __future__ import annotations

import contextlib
import io
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scones.errors import FilesError

if TYPE_CHECKING:
    from av.container import InputContainer
    from PIL.Image import Transpose

SIDE = 1280
"""Pixels of a frame's longer side at most: more than the network looks at, enough for a person who reviews it."""
QUALITY = 90
OPEN_SECONDS, READ_SECONDS = 60.0, 15.0
"""How long an address may take to show what it is, and a camera may say nothing."""
HASTY = {"analyzeduration": "3000000", "fpsprobesize": "0"}
"""FFmpeg's options for a stream: it would watch a slow camera for longer than anybody waits."""
_UNTOLD = "…"
_TURNS: dict[tuple[int, ...], str] = {
    (-1, 0, 0, -1): "ROTATE_180",
    (-1, 0, 0, 1): "FLIP_LEFT_RIGHT",
    (1, 0, 0, -1): "FLIP_TOP_BOTTOM",
    (0, 1, -1, 0): "ROTATE_270",
    (0, -1, 1, 0): "ROTATE_90",
    (0, 1, 1, 0): "TRANSPOSE",
    (0, -1, -1, 0): "TRANSVERSE",
}
"""By a display matrix's signs: across to across and down, down to across and down."""


class Frame(NamedTuple):
    """One frame as JPEG, and its time in seconds since the first."""

    seconds: float
    content: bytes

    @property
    def name(self) -> str:
        """A file name that sorts by time."""
        return f"{self.seconds:010.3f}.jpg"


@dataclass
class Footage:
    """A source of frames: a video file, or a stream's address (`rtsp://…`, `http://…`, `udp://…`).

    Attributes
    ----------
    source
        The file or the address.
    every
        Seconds between frames.
    live
        Whether it goes on by itself, so that who reads too slowly must leave frames out; known with the first frame.

    Raises
    ------
    FilesError
        When there is no such file, or no package that reads it.
    """

    source: str
    every: float
    live: bool = False

    def __post_init__(self) -> None:
        try:
            import av  # noqa: F401, PLC0415  # packages that this command alone needs
            import PIL  # noqa: F401, PLC0415
        except ImportError as error:
            raise FilesError(
                "Reading a video needs PyAV: run `.venv/bin/python -m pip install -c constraints.txt -e '.[video]'`."
            ) from error
        if not self._is_file and "://" not in self.source:
            raise FilesError(
                f"There is no video {self.name or 'without a name'}: name a file, or a stream's address such as rtsp://…."
            )

    @property
    def name(self) -> str:
        """The source, without what may be a password: of an address the scheme, the host and a plain path."""
        if self._is_file:
            return self.source
        scheme, _, rest = self.source.rpartition("://")
        if not scheme:
            return _UNTOLD if "@" in rest else self.source
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        path = rest[len(authority) :]
        if "@" in path:  # part of a password that was not quoted, or of a query: nobody can tell
            return f"{scheme}://{_UNTOLD}"
        return f"{scheme}://{authority.rpartition('@')[2]}{re.split(r'[?#;&=]', path, maxsplit=1)[0]}"

    @property
    def _is_file(self) -> bool:
        try:
            return Path(self.source).is_file()
        except (OSError, ValueError):  # a name that no file can have
            return False

    def frames(self) -> Iterator[Frame]:
        """Yield a frame every so many seconds, upright, the first one first.

        Raises
        ------
        FilesError
            When the source cannot be read, breaks off, or has no frame at all.
        """
        from av.format import Flags  # noqa: PLC0415

        container = self._open()
        first, due, before = None, 0.0, 0.0
        stream = container.streams.video[0]
        rate, base = float(stream.average_rate or 25), float(stream.time_base or 0)
        # FFmpeg makes times up where a format has none (MJPEG's, and codecs' plain streams), 25 frames a second.
        kind = container.format
        untimed = kind.flags & Flags.no_timestamps.value  # type: ignore[operator]  # PyAV's types say no number
        clockless = self.live and bool(untimed or kind.name.endswith("_pipe"))
        try:
            for number, (frame, came) in enumerate(self._decoded(container)):
                # In the stream's units: a frame that the decoder kept back has none of its own.
                told = number / rate if frame.pts is None else frame.pts * base
                at = came if clockless else told
                first = at if first is None else first
                seconds = at - first
                # Half a frame, as no frame is due to the millisecond; where few come, no more than makes no difference.
                early = min(max(0.0, seconds - before) / 2 or 0.5 / rate, self.every / 4)
                before = seconds
                if seconds + early < due:
                    # A camera that was started anew begins at nought.
                    due = min(due, seconds + self.every)
                    continue
                due = self.every * (math.floor((seconds + early) / self.every) + 1)
                yield Frame(seconds, _jpeg(frame))
        except Exception as error:  # FFmpeg's, and PyAV's own over what FFmpeg made of a damaged file
            raise FilesError(f"{self.name} broke off: {_reason(error, READ_SECONDS)}.") from error
        finally:
            container.close()
        if first is None:
            raise FilesError(f"{self.name} holds no frame that can be read: give another video.")

    def _decoded(self, container: InputContainer) -> Iterator[tuple[Any, float]]:
        """Yield frames, and when what completed them came; also those that wait in the decoder at a break."""
        import av  # noqa: PLC0415

        stream = container.streams.video[0]
        # Each thread of frames holds one back: a file has the time, and a camera's frames are wanted now.
        stream.thread_type = "SLICE" if self.live else "AUTO"
        came = time.monotonic()
        try:
            for packet in container.demux(stream):
                came = time.monotonic()
                # One packet is damaged, and the next may be whole.
                with contextlib.suppress(av.InvalidDataError):
                    for frame in packet.decode():
                        yield frame, came
        except Exception:
            with contextlib.suppress(Exception):
                for frame in stream.decode():
                    yield frame, came
            raise

    def _open(self) -> InputContainer:
        import av  # noqa: PLC0415

        address = not self._is_file
        options = dict(HASTY) if address else {}
        if self.source.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            container = av.open(
                # A file's name may look like an address to FFmpeg.
                self.source if address else f"file:{self.source}",
                options=options,
                timeout=(OPEN_SECONDS, READ_SECONDS) if address else None,
            )
        except Exception as error:  # FFmpeg's, and Python's over hosts and names
            raise FilesError(
                f"{self.name} cannot be read as a video: {_reason(error, OPEN_SECONDS)}."
            ) from error
        if not container.streams.video or container.format.name == "tty":  # FFmpeg plays texts, too
            container.close()
            raise FilesError(f"{self.name} holds no pictures: give a video.")
        self.live = address and container.duration is None
        return container


def _jpeg(frame: Any) -> bytes:
    image = frame.to_image()
    if (turn := _turn(frame)) is not None:
        image = image.transpose(turn)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _turn(frame: Any) -> Transpose | None:
    """Return what puts a frame upright, by the display matrix that its file gives."""
    from PIL.Image import Transpose  # noqa: PLC0415

    try:
        found = list(frame.side_data)
    except ValueError:  # of a kind that PyAV does not know yet, such as EXIF's
        turns = {90: "ROTATE_90", 180: "ROTATE_180", 270: "ROTATE_270"}
        turn = turns.get(frame.rotation % 360)
        return Transpose[turn] if turn else None
    for each in found:
        if each.type.name == "DISPLAYMATRIX":
            words = memoryview(bytes(each)).cast("i")
            signs = tuple((words[place] > 0) - (words[place] < 0) for place in (0, 1, 3, 4))
            return Transpose[_TURNS[signs]] if signs in _TURNS else None
    return None


def _reason(error: BaseException, seconds: float) -> str:
    if type(error).__name__ == "ExitError":  # FFmpeg's word for a time that is over
        return f"nothing came for {seconds:.0f} s"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).strip().rstrip(".")
