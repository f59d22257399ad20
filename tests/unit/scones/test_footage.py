"""A frame every so often, of any video, upright."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from scones.errors import FilesError
from scones.footage import Frame, footage
from tests.unit.scones.videos import COLOURS, SIZE, coloured, lying, video


def picture(frame: Frame) -> Image.Image:
    return Image.open(io.BytesIO(frame.content)).convert("RGB")


def close(found: tuple[int, ...], colour: str) -> bool:
    return all(abs(a - b) < 40 for a, b in zip(found, ImageColor.getrgb(colour), strict=True))


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "libx264"), ("matroska", "libx264"), ("mpegts", "mpeg2video"), ("avi", "mpeg4")],
)
def test_a_frame_comes_every_second(tmp_path: Path, kind: str, codec: str) -> None:
    (path := tmp_path / "a video").write_bytes(video(coloured(), kind=kind, codec=codec))
    opened = footage(str(path), 1.0)
    frames = list(opened.frames())
    assert not opened.live
    assert [round(frame.seconds, 3) for frame in frames] == [0.0, 1.0, 2.0, 3.0]
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert close(picture(frame).getpixel((160, 120)), colour)  # type: ignore[arg-type]
        assert picture(frame).size == SIZE
    assert sorted(frame.name for frame in frames) == [frame.name for frame in frames]


@pytest.mark.parametrize(("every", "count"), [(0.1, 40), (0.25, 16), (0.33, 12), (3.0, 2), (100.0, 1)])
def test_frames_are_as_dense_as_asked(tmp_path: Path, every: float, count: int) -> None:
    (path := tmp_path / "v.mp4").write_bytes(video(coloured()))
    times = [frame.seconds for frame in footage(str(path), every).frames()]
    assert len(times) == count
    for number, at in enumerate(times):
        assert at == pytest.approx(number * every, abs=0.051)


def test_a_video_of_a_telephone_stands_upright(tmp_path: Path) -> None:
    shown = Image.new("RGB", SIZE, "red")
    shown.paste("blue", (SIZE[0] // 2, 0, *SIZE))  # right in the file: below, once it is turned clockwise
    (path := tmp_path / "v.mp4").write_bytes(lying(video([shown])))
    (frame,) = footage(str(path), 1.0).frames()
    found = picture(frame)
    assert found.size == (SIZE[1], SIZE[0])
    assert close(found.getpixel((120, 40)), "red")  # type: ignore[arg-type]
    assert close(found.getpixel((120, 280)), "blue")  # type: ignore[arg-type]


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    (path := tmp_path / "v.mp4").write_bytes(video([Image.new("RGB", (1920, 1080))], seconds=0.1))
    (frame,) = footage(str(path), 1.0).frames()
    assert picture(frame).size == (1280, 720)


def test_a_damaged_packet_costs_no_more_than_its_frames(tmp_path: Path) -> None:
    content = bytearray(video(coloured(), kind="mpegts", codec="mpeg2video"))
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (path := tmp_path / "v.ts").write_bytes(bytes(content))
    assert len(list(footage(str(path), 1.0).frames())) >= 3


def test_what_is_no_video_is_said_in_one_sentence(tmp_path: Path) -> None:
    (text := tmp_path / "text.mp4").write_text("no video at all")
    (empty := tmp_path / "empty.mp4").write_bytes(b"")
    (cut := tmp_path / "cut.mp4").write_bytes(video(coloured())[:2000])
    for path in (text, empty, cut):
        with pytest.raises(FilesError, match=r"^\S+ cannot be read as a video: [^\n]+\.$"):
            footage(str(path), 1.0)
    with pytest.raises(FilesError, match="There is no video"):
        footage(str(tmp_path / "none.mp4"), 1.0)
    with pytest.raises(FilesError, match="There is no video"):
        footage(str(tmp_path), 1.0)


def test_neither_sound_nor_text_is_a_video(tmp_path: Path) -> None:
    (text := tmp_path / "notes.txt").write_text("Riders see their routes.\n" * 20)
    with wave.open(str(path := tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))
    for each in (path, text):
        with pytest.raises(FilesError, match="holds no pictures"):
            footage(str(each), 1.0)


def test_nobody_reads_a_cameras_password() -> None:
    for address in ("rtsp://user:secret@127.0.0.1:1/camera", "http://user:se@cret@127.0.0.1:1/camera"):
        with pytest.raises(FilesError) as told:
            footage(address, 1.0)
        assert "cret" not in str(told.value)
        assert "127.0.0.1:1/camera" in str(told.value)
