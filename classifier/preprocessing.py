"""From the bytes of any image to the tensor the network reads; the same code in training and in serving."""

import io
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from classifier.errors import ImageTooLargeError, UnreadableImageError
from classifier.image_statistics import LONGEST_SIDE, ImageStatistics, measure

# The pretrained weights were learnt on pixels scaled to about -1…1 (TensorFlow's Lite recipe: mean 127,
# deviation 128), not on the ImageNet means that most torch weights want.
MEAN = 0.5
STD = 0.5
# Formats decoded inside Pillow. EPS would start Ghostscript, and others read files by name.
# JPEG's decoder reads MPO files too; a name without a decoder of its own makes Pillow refuse everything.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
BACKGROUND = (255, 255, 255)
_SIXTEEN_BITS = 65535.0
_ROWS = 256


@dataclass(frozen=True)
class Limits:
    """
    What an image may measure.

    Parameters
    ----------
    max_bytes
        Size of the file; the default is what an endpoint call can carry (6 MiB).
    max_pixels
        Width times height, checked on the header before anything is decoded.
    """

    max_bytes: int = 6 * 1024 * 1024
    max_pixels: int = 40_000_000


@dataclass(frozen=True)
class DecodedImage:
    """An image ready for the network: normalised float32 tensor [3, S, S], and what was measured on it."""

    tensor: Tensor
    statistics: ImageStatistics


def decode_image(data: bytes, image_size: int, limits: Limits | None = None) -> DecodedImage:
    """
    Decode, measure, resize and normalise one image.

    Raises
    ------
    UnreadableImageError
        When the bytes cannot be decoded as an image.
    ImageTooLargeError
        When the image exceeds ``limits``.
    """
    pixels, statistics = decode_pixels(data, image_size, limits)
    return DecodedImage(normalise(pixels), statistics)


def decode_pixels(
    data: bytes, image_size: int, limits: Limits | None = None
) -> tuple[Tensor, ImageStatistics]:
    """As `decode_image`, without the normalisation: uint8 [3, S, S], which training keeps and augments."""
    opened = _open(data, limits, image_size)
    return resized(opened.image, image_size), measure(*opened)


def resized(image: Image.Image, image_size: int) -> Tensor:
    """Return an RGB image as the network's uint8 pixels, shape [3, S, S]."""
    pixels = np.array(image.resize((image_size, image_size), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def normalise(pixels: Tensor) -> Tensor:
    """Scale uint8 pixels [..., 3, S, S] to the float32 values the network was pretrained on."""
    return (pixels.float() / 255 - MEAN) / STD


def open_rgb(data: bytes, limits: Limits | None = None) -> tuple[Image.Image, str, str]:
    """
    Decode the first frame upright, as RGB, with its format and its original mode.

    Raises
    ------
    UnreadableImageError, ImageTooLargeError
        As `decode_image`.
    """
    opened = _open(data, limits, None)
    return opened.image, opened.format, opened.mode


class _Opened(NamedTuple):
    """An upright RGB image, the upright size of its file in pixels, and its file's format and mode."""

    image: Image.Image
    size: tuple[int, int]
    format: str
    mode: str


def _open(data: bytes, limits: Limits | None, image_size: int | None) -> _Opened:
    """Decode an image; when `image_size` says what for, a JPEG no larger than that and its statistics need."""
    limits = limits or Limits()
    if not data:
        raise UnreadableImageError("The image is empty: send the bytes of an image file.")
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(
            f"The image has {len(data):,} bytes, more than the {limits.max_bytes:,} allowed: send less."
        )
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a bomb below twice its own limit; ours is checked right after.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_pixels(image.size, limits)
            kind, mode, (width, height) = image.format or "unknown", image.mode, image.size
            if image_size:
                _reduce(image, image_size)
            image.load()
            size = (height, width) if _lies(image) else (width, height)
            return _Opened(_to_rgb(_upright(image)), size, kind, mode)
    except (ImageTooLargeError, Image.DecompressionBombError) as error:
        if isinstance(error, ImageTooLargeError):
            raise
        raise ImageTooLargeError("The image would unpack to too many pixels: send a smaller one.") from error
    except Exception as error:  # a decoder fed hostile bytes raises almost anything
        raise UnreadableImageError(f"The image cannot be decoded: {_reason(error)}.") from error


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise ImageTooLargeError(
            f"The image measures {width} by {height} pixels, more than the {limits.max_pixels:,} allowed: "
            "send a smaller one."
        )


def _reduce(image: Image.Image, image_size: int) -> None:
    """Let a JPEG's decoder halve it, once to three times, while it stays as large as it is used.

    A camera's photograph is then decoded, resized and measured in a fraction of the time.
    """
    factor = reduction(image.size, image_size)
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def reduction(size: tuple[int, int], image_size: int) -> int:
    """Return by how much a JPEG of ``size`` pixels is reduced while it is decoded: 1, 2, 4 or 8."""
    scale = min(min(size) / image_size, max(size) / LONGEST_SIDE)
    return next((factor for factor in (8, 4, 2) if scale >= factor), 1)


def _lies(image: Image.Image) -> bool:
    """Say whether the camera was held on its side: then the file's width is the picture's height."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # as below
        return False


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF data is no reason to refuse good pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # By a table: as numbers of eight bytes, forty million pixels would take gigabytes.
        values = np.asarray(image).astype(np.uint16, copy=False)
        every = np.arange(int(values.max(initial=0)) + 1, dtype=np.float64)
        image = Image.fromarray(_to_eight_bits(every)[values])
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_to_eight_bits(np.array(image, dtype=np.float64)))
    return _flattened(image) if image.has_transparency_data else image.convert("RGB")


def _flattened(image: Image.Image) -> Image.Image:
    """Lay what is transparent on the background, some rows at a time: of forty million pixels, copies are large."""
    flat = Image.new("RGB", image.size)
    for top in range(0, image.height, _ROWS):
        box = (0, top, image.width, min(top + _ROWS, image.height))
        layer = image.crop(box).convert("RGBA")
        background = Image.new("RGBA", layer.size, (*BACKGROUND, 255))
        flat.paste(Image.alpha_composite(background, layer).convert("RGB"), box)
    return flat


def _to_eight_bits(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Bring 16-bit integers, or floats in 0…1 or 0…255, to eight bits; the values are changed in their place."""
    np.nan_to_num(values, copy=False, posinf=_SIXTEEN_BITS, neginf=0.0)
    top = float(values.max(initial=0.0))
    if top <= 1.0:
        values *= 255.0
    elif top > 255.0:
        values *= 255.0 / max(_SIXTEEN_BITS, top)
    return values.clip(0, 255, out=values).round(out=values).astype(np.uint8)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "the bytes are no " + ", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]} image"
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
