"""A frame every so often, of any video, upright."""

from __future__ import annotations

import io
import itertools
import wave
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageColor, ImageOps

from scones.errors import FilesError
from scones.footage import Footage, Frame
from tests.unit.scones.videos import COLOURS, SIZE, coloured, turned, video


def picture(frame: Frame) -> Image.Image:
    return Image.open(io.BytesIO(frame.content)).convert("RGB")


def near(found: Any, wanted: Any) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(found, wanted, strict=True))


def close(found: Any, colour: str) -> bool:
    return near(found, ImageColor.getrgb(colour))


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "libx264"), ("matroska", "libx264"), ("mpegts", "mpeg2video"), ("avi", "mpeg4")],
)
def test_a_frame_comes_every_second(tmp_path: Path, kind: str, codec: str) -> None:
    (path := tmp_path / "a video").write_bytes(video(coloured(), kind=kind, codec=codec))
    opened = Footage(str(path), 1.0)
    frames = list(opened.frames())
    assert not opened.live
    assert [round(frame.seconds, 3) for frame in frames] == [0.0, 1.0, 2.0, 3.0]
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert close(picture(frame).getpixel((160, 120)), colour)
        assert picture(frame).size == SIZE
    assert sorted(frame.name for frame in frames) == [frame.name for frame in frames]


@pytest.mark.parametrize(("every", "count"), [(0.1, 40), (0.25, 16), (0.33, 12), (3.0, 2), (100.0, 1)])
def test_frames_are_as_dense_as_asked(tmp_path: Path, every: float, count: int) -> None:
    (path := tmp_path / "v.mp4").write_bytes(video(coloured()))
    times = [frame.seconds for frame in Footage(str(path), every).frames()]
    assert len(times) == count
    for number, at in enumerate(times):
        assert at == pytest.approx(number * every, abs=0.051)


CORNERS = ("red", "blue", "lime", "yellow")
"""From the upper left clockwise, as the file has them."""


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "red blue lime yellow"),
        ((0, 1, -1, 0), "yellow red blue lime"),
        ((-1, 0, 0, -1), "lime yellow red blue"),
        ((0, -1, 1, 0), "blue lime yellow red"),
        ((-1, 0, 0, 1), "blue red yellow lime"),
        ((1, 0, 0, -1), "yellow lime blue red"),
        ((0, 1, 1, 0), "red yellow lime blue"),
        ((0, -1, -1, 0), "lime blue red yellow"),
    ],
)
def test_a_video_stands_upright_however_the_telephone_was_held(
    tmp_path: Path, matrix: tuple[int, int, int, int], corners: str
) -> None:
    shown = Image.new("RGB", SIZE)
    for number, colour in enumerate(CORNERS):
        left, top = SIZE[0] // 2 * (number in (1, 2)), SIZE[1] // 2 * (number > 1)
        shown.paste(colour, (left, top, left + SIZE[0] // 2, top + SIZE[1] // 2))
    (path := tmp_path / "v.mp4").write_bytes(turned(video([shown]), matrix))
    (frame,) = Footage(str(path), 1.0).frames()
    found = picture(frame)
    assert found.size == (SIZE if matrix[0] else SIZE[::-1])
    wide, high = found.size
    places = [(wide // 4, high // 4), (3 * wide // 4, high // 4)]
    places += [(3 * wide // 4, 3 * high // 4), (wide // 4, 3 * high // 4)]
    for place, colour in zip(places, corners.split(), strict=True):
        assert close(found.getpixel(place), colour), (place, colour)


@pytest.mark.parametrize("name", ["2026-11-27T08:30:00.mp4", "concat:x", "http:x.mp4", "a b%03d\n.mp4"])
def test_any_name_of_a_file_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(video(coloured()))
    assert len(list(Footage(name, 1.0).frames())) == 4
    assert Footage(name, 1.0).name == name
    for none in ("", "x" * 5000, "x\0"):
        with pytest.raises(FilesError, match="There is no video"):
            Footage(none, 1.0)


def test_few_frames_now_and_many_then_are_no_denser_than_asked(tmp_path: Path) -> None:
    times = [number / 50 for number in range(50)] + [100.0, 200.0, 300.0]
    (path := tmp_path / "v.mp4").write_bytes(video([Image.new("RGB", SIZE)], times=times))
    found = [frame.seconds for frame in Footage(str(path), 1.0).frames()]
    assert found[0] == 0.0
    assert found[-3:] == pytest.approx([100.0, 200.0, 300.0])
    assert all(later - earlier > 0.7 for earlier, later in itertools.pairwise(found))


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    (path := tmp_path / "v.mp4").write_bytes(video([Image.new("RGB", (1920, 1080))], seconds=0.1))
    (frame,) = Footage(str(path), 1.0).frames()
    assert picture(frame).size == (1280, 720)


def test_a_damaged_packet_costs_no_more_than_its_frames(tmp_path: Path) -> None:
    content = bytearray(video(coloured(), kind="mpegts", codec="mpeg2video"))
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (path := tmp_path / "v.ts").write_bytes(bytes(content))
    assert len(list(Footage(str(path), 1.0).frames())) >= 3


def test_what_is_no_video_is_said_in_one_sentence(tmp_path: Path) -> None:
    (text := tmp_path / "text.mp4").write_text("no video at all")
    (empty := tmp_path / "empty.mp4").write_bytes(b"")
    (cut := tmp_path / "cut.mp4").write_bytes(video(coloured())[:2000])
    for path in (text, empty, cut):
        with pytest.raises(FilesError, match=r"^\S+ cannot be read as a video: [^\n]+\.$"):
            list(Footage(str(path), 1.0).frames())
    with pytest.raises(FilesError, match="There is no video"):
        Footage(str(tmp_path / "none.mp4"), 1.0)
    with pytest.raises(FilesError, match="There is no video"):
        Footage(str(tmp_path), 1.0)


def test_neither_sound_nor_text_is_a_video(tmp_path: Path) -> None:
    (text := tmp_path / "notes.txt").write_text("Riders see their routes.\n" * 20)
    with wave.open(str(path := tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))
    for each in (path, text):
        with pytest.raises(FilesError, match="holds no pictures"):
            list(Footage(str(each), 1.0).frames())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pictures_with_exif_are_frames_and_stand_upright(tmp_path: Path, orientation: int) -> None:
    shown = Image.new("RGB", SIZE, "red")
    shown.paste("blue", (SIZE[0] // 2, 0, *SIZE))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = orientation, "Scones"
    shown.save(path := tmp_path / "photo.jpg", exif=exif)
    (frame,) = Footage(str(path), 1.0).frames()
    with Image.open(path) as image:
        wanted = ImageOps.exif_transpose(image).convert("RGB")
    found = picture(frame)
    assert found.size == wanted.size
    for place in ((10, 10), (found.width - 10, found.height - 10)):
        assert near(found.getpixel(place), wanted.getpixel(place))


def read(address: str) -> str:
    """Read what does not answer, or is no address, and return what is said of it."""
    with pytest.raises(FilesError) as told:
        list(Footage(address, 1.0).frames())
    return str(told.value)


def test_nobody_reads_a_cameras_password() -> None:
    for address in (
        "rtsp://user:secret@127.0.0.1:1/camera",
        "http://user:se@cret@127.0.0.1:1/camera",
        "http://127.0.0.1:1/camera?user=admin&pwd=secret",
        "http://127.0.0.1:1/camera#pwd=secret",
        "http://127.0.0.1:1/camera;user=a;pwd=secret",
        "rtsp://127.0.0.1:1/camera&user=admin&password=secret&stream=0.sdp",
    ):
        said = read(address)
        assert "cret" not in said
        assert "127.0.0.1:1/camera" in said
    for address in (
        "http://user:sec/ret@127.0.0.1:1/camera",
        "http://user:sec?ret@127.0.0.1:1/camera",
        "http://127.0.0.1:1/camera?user=a@b.de&pwd=secret",
        "rtsp://admin:secret@127.0.0.1:1/camera?email=me@home&pwd=secret",
        "rtsp:/admin:secret@127.0.0.1:1/camera",
        "admin:secret@127.0.0.1/camera",
    ):
        said = read(address)
        assert "…" in said
        for part in ("sec", "ret", "b.de", "home"):
            assert part not in said
    assert "rtsp://127.0.0.1:1/user cannot" in read("rtsp://127.0.0.1:1/user=admin&password=secret")
    for address in ("rtsp://user:secret@[::1/camera", "rtsp://user:secret@[zz]:1/camera"):
        assert "cannot be read as a video" in read(address)
