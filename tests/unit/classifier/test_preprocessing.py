"""Any bytes become a tensor or a typed refusal."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import ExifTags, Image

from classifier import preprocessing
from classifier.errors import ImageTooLargeError, UnreadableImageError
from classifier.image_statistics import MEASURES, ImageStatistics
from classifier.preprocessing import Limits, decode_image
from tests.integration.workflow.pictures import UNUSABLE, USABLE, drawing, encoded


@pytest.mark.parametrize("name", USABLE)
def test_every_mode_becomes_a_normalised_tensor(name: str) -> None:
    decoded = decode_image(USABLE[name], 64)
    assert decoded.tensor.shape == (3, 64, 64)
    assert decoded.tensor.dtype == torch.float32
    assert -1.01 <= float(decoded.tensor.min()) < float(decoded.tensor.max()) <= 1.01
    assert {"width", "height", "format", "mode", *MEASURES} == set(decoded.statistics.as_dict())


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "P", "L", "RGB", "1"])
def test_what_is_transparent_lies_on_white_however_many_rows_are_laid_at_a_time(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    image = Image.effect_noise((50, 37), 90).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image = image.convert("LA").convert("PA") if mode == "PA" else image.convert(mode)
    if mode in ("P", "L", "RGB", "1"):
        image.info["transparency"] = {"P": bytes(range(256)), "RGB": image.getpixel((3, 3))}.get(mode, 0)
    layer = image.convert("RGBA")
    wanted = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    for rows in (1, 7, 37, 256):
        monkeypatch.setattr(preprocessing, "_ROWS", rows)
        assert preprocessing._to_rgb(image).tobytes() == wanted.tobytes()


def test_a_colour_cast_is_measured_and_a_change_of_light_is_not_taken_for_one() -> None:
    def measured(*colour: int) -> ImageStatistics:
        return decode_image(encoded(Image.new("RGB", (40, 30), colour), "PNG"), 32).statistics

    grey, red, blue, dark = (
        measured(*each) for each in ((128, 128, 128), (200, 60, 60), (60, 60, 200), (40, 40, 40))
    )
    assert (grey.saturation, grey.redness, grey.blueness) == (0.0, 0.0, 0.0)
    assert red.saturation == pytest.approx(0.7, abs=0.01)
    assert (red.redness > 0.3, red.blueness < 0.0) == (True, True)
    assert (blue.blueness > 0.3, blue.redness < 0.0) == (True, True)
    assert (dark.saturation, dark.redness, dark.blueness) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["corrupt.jpg", "empty.png", "not an image.txt"])
def test_bytes_that_are_no_picture_are_refused(name: str) -> None:
    with pytest.raises(UnreadableImageError):
        decode_image(UNUSABLE[name], 64)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageTooLargeError):
        decode_image(UNUSABLE["huge dimensions.png"], 64)


def test_a_picture_of_too_many_bytes_is_refused() -> None:
    content = encoded(drawing(), "PNG")
    with pytest.raises(ImageTooLargeError):
        decode_image(content, 64, Limits(max_bytes=len(content) - 1))


def test_exif_turns_the_picture_upright() -> None:
    statistics = decode_image(USABLE["rotated+exif.jpg"], 64).statistics.as_dict()
    straight = drawing().size
    assert {statistics["width"], statistics["height"]} == set(straight)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(641, 640), (1600, 1200), (300, 4000)])
def test_a_large_photograph_gives_the_same_when_its_decoder_reduces_it(
    size: tuple[int, int], orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    drawing().resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92, exif=exif)
    reduced = decode_image(buffer.getvalue(), 64)
    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "_reduce", lambda *_: None)
        whole = decode_image(buffer.getvalue(), 64)
    upright = size if orientation == 1 else size[::-1]
    assert (reduced.statistics.width, reduced.statistics.height) == upright
    assert (whole.statistics.width, whole.statistics.height) == upright
    assert (reduced.tensor - whole.tensor).abs().mean() < 0.01
    for name in MEASURES:
        assert getattr(reduced.statistics, name) == pytest.approx(getattr(whole.statistics, name), abs=0.01)
