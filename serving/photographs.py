"""Photographs, decoded on a GPU: many at a time by nvJPEG, then resized and measured by kernels.

Pillow takes milliseconds of a processor for each, and threads of one process do not share its work well; nvJPEG
decodes thousands a second. It comes with torchvision, which AWS's serving image has. What is not plain, is damaged,
or is hardly larger than the network's input goes to Pillow as ever, so that nothing changes but the time.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from classifier.image_statistics import COLOUR_SIDE, LONGEST_SIDE, ImageStatistics
from serving.headers import intact
from serving.images import Photograph
from serving.kernels import Kernel, compile_kernel, start

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("photographs.cu")
FIELDS = (
    *("PIXELS", "WIDTH", "HEIGHT", "FACTOR", "COLUMNS", "ROWS", "ORIGIN", "STEP_X", "STEP_Y"),
    *("UPRIGHT_WIDTH", "UPRIGHT_HEIGHT", "SMALL", "WIDE", "LUMA", "THUMBNAIL"),
    *("MEASURED_WIDTH", "MEASURED_HEIGHT", "GRID_WIDTH", "GRID_HEIGHT"),
)
"""Of a photograph's row: its decoded pixels' address, sizes, and where its parts of the scratch memory begin."""
_OFFSETS = [FIELDS.index(name) for name in ("SMALL", "WIDE", "LUMA", "THUMBNAIL")]
SUMS = 7
MAX_PIXELS = 150_000_000
"""Of the images that a lane decodes at a time: some 450 MB."""
_MEASURING = 512
"""Threads that measure one image."""


class Plan(NamedTuple):
    """Where everything of a batch lies: a row [n, fields], int64, for each photograph, and the bytes of all."""

    rows: NDArray[np.int64]
    scratch: int

    def field(self, name: str) -> NDArray[np.int64]:
        """Return one field of all photographs."""
        own: NDArray[np.int64] = self.rows[:, FIELDS.index(name)]
        return own


def plan(photographs: Sequence[Photograph], pixels: Sequence[int], side: int) -> Plan:
    """Lay out a batch; `pixels` are the addresses of the decoded images."""
    laid = [_layout(each.width, each.height, each.factor, each.orientation, side) for each in photographs]
    rows = np.stack([row for row, _ in laid])
    ends = np.cumsum([count for _, count in laid])
    rows[:, 0] = pixels
    rows[1:, _OFFSETS] += ends[:-1, None]
    return Plan(rows, int(ends[-1]))


@functools.lru_cache(4096)
def _layout(
    width: int, height: int, factor: int, orientation: int, side: int
) -> tuple[NDArray[np.int64], int]:
    """Return the row of a photograph that is the first of its batch, and the bytes that it takes."""
    columns, lines = -(-width // factor), -(-height // factor)
    wide, high = upright(orientation, columns, lines)
    # At the size at which Pillow's thumbnail is measured.
    probe = Image.new("1", (wide, high))
    probe.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.NEAREST)
    shrink = COLOUR_SIDE / max(wide, high)
    counts = (4 * wide * high, 3 * high * side, high * probe.width, probe.width * probe.height)
    *starts, total = itertools.accumulate(counts, initial=0)
    values = {
        "PIXELS": 0,
        "WIDTH": width,
        "HEIGHT": height,
        "FACTOR": factor,
        "COLUMNS": columns,
        "ROWS": lines,
        **dict(zip(("ORIGIN", "STEP_X", "STEP_Y"), _turned(orientation, columns, lines), strict=True)),
        "UPRIGHT_WIDTH": wide,
        "UPRIGHT_HEIGHT": high,
        **dict(zip(("SMALL", "WIDE", "LUMA", "THUMBNAIL"), starts, strict=True)),
        "MEASURED_WIDTH": probe.width,
        "MEASURED_HEIGHT": probe.height,
        "GRID_WIDTH": max(1, round(wide * shrink)),
        "GRID_HEIGHT": max(1, round(high * shrink)),
    }
    return np.array([values[name] for name in FIELDS], dtype=np.int64), total


def upright(orientation: int, width: int, height: int) -> tuple[int, int]:
    """Return a picture's size as people see it, from that of its file."""
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _turned(orientation: int, columns: int, rows: int) -> tuple[int, int, int]:
    """Return where the file's first pixel lies upright, and the steps to what is right of it and below it."""
    right, bottom = columns - 1, rows - 1
    # For a picture that lies, a line upright is as long as the file has rows.
    return {
        1: (0, 1, columns),
        2: (right, -1, columns),
        3: (bottom * columns + right, -1, -columns),
        4: (bottom * columns, 1, -columns),
        5: (0, rows, 1),
        6: (bottom, rows, -1),
        7: (right * rows + bottom, -rows, -1),
        8: (right * rows, -rows, 1),
    }[orientation]


class Developed(NamedTuple):
    """A batch of photographs on the device, resized, and ready to be measured."""

    photographs: Sequence[Photograph]
    laid: Plan
    table: Tensor
    scratch: Tensor
    kernel: Kernel

    def measure(self, into: Tensor) -> None:
        """Put the images' sums into the first rows of `into`, float64 [m, 7] of the host, on the current stream."""
        count = len(self.photographs)
        sums = torch.empty((count, SUMS), dtype=torch.float64, device=self.table.device)
        start(self.kernel, (count * _MEASURING, 1), self.table, self.scratch, sums, threads=_MEASURING)
        into[:count].copy_(sums, non_blocking=True)

    def statistics(self, measured: Tensor) -> list[ImageStatistics]:
        """Return the images' statistics from their sums, when these are there."""
        laid, sums = self.laid, measured[: len(self.photographs)].numpy()
        counts = (laid.field("MEASURED_WIDTH") * laid.field("MEASURED_HEIGHT"))[:, None]
        colours = (laid.field("GRID_WIDTH") * laid.field("GRID_HEIGHT"))[:, None]
        # Of luma and of its Laplacian: mean, and mean square.
        means, squares = sums[:, 0:4:2] / counts, sums[:, 1:4:2] / counts
        brightness = means[:, :1] / 255
        deviations = np.sqrt(np.maximum(0.0, squares - means**2)) / 255
        red, blue, saturation = (sums[:, field, None] / colours / 255 for field in (4, 5, 6))
        measures = np.hstack([brightness, deviations, saturation, red - brightness, blue - brightness])
        return [
            ImageStatistics(*upright(photo.orientation, photo.width, photo.height), "JPEG", photo.mode, *own)
            for photo, own in zip(self.photographs, measures.round(4).tolist(), strict=True)
        ]


class Decoder:
    """nvJPEG and the kernels behind it, for one model's input.

    Parameters
    ----------
    image_size
        Side of the network's input, pixels.
    device
        The GPU.

    Raises
    ------
    ImportError, RuntimeError, OSError, AttributeError
        When torchvision or NVRTC is missing.
    """

    def __init__(self, image_size: int, device: torch.device) -> None:
        from torchvision.io import ImageReadMode, decode_jpeg  # noqa: PLC0415 - only images with GPUs have it

        names = {name: number for number, name in enumerate(FIELDS)}
        values = {**names, "FIELDS": len(FIELDS), "SUMS": SUMS}
        self._size, self._device = image_size, device
        self._kernels: dict[str, Kernel] = {
            name: compile_kernel(SOURCE, name, values) for name in ("reduce", "across", "down", "measure")
        }
        self._read: Callable[[list[Tensor]], Any] = functools.partial(
            decode_jpeg, mode=ImageReadMode.RGB, device=device
        )

    def decode(self, photographs: Sequence[Photograph]) -> list[Tensor | None]:
        """Return uint8 images [3, h, w] on the device, as the files have them; None is one that it refuses.

        As many at a time as `MAX_PIXELS` allow; the rest are refused too, and Pillow's.
        """
        pixels = itertools.accumulate(each.width * each.height for each in photographs)
        taken = photographs[: sum(total <= MAX_PIXELS for total in pixels) or 1]
        images: list[Tensor | None] = [None] * len(photographs)
        if not taken:
            return images
        # Torch warns of what may not be written to.
        joined = bytearray().join(each.content for each in taken)
        lengths = [len(each.content) for each in taken]
        contents = torch.split(torch.frombuffer(joined, dtype=torch.uint8), lengths)
        chosen = np.flatnonzero(intact(taken, joined)).tolist()
        for place, image in zip(chosen, self._decoded([contents[place] for place in chosen]), strict=True):
            # The kernels read what the header promised.
            if image is not None and image.shape == (3, taken[place].height, taken[place].width):
                images[place] = image
        return images

    def _decoded(self, contents: list[Tensor]) -> list[Tensor | None]:
        try:
            return list(self._read(contents)) if contents else []
        except RuntimeError as error:  # one of them spoils all
            if len(contents) == 1:
                logger.info("nvJPEG refuses an image: %s", error)
                return [None]
        return [self._decoded([content])[0] for content in contents]

    def develop(
        self, photographs: Sequence[Photograph], images: Sequence[Tensor], pixels: Tensor
    ) -> Developed:
        """Resize decoded images into `pixels`, uint8 [n, 3, S, S], on the current stream."""
        count, size = len(photographs), self._size
        laid = plan(photographs, [image.data_ptr() for image in images], size)
        table = torch.from_numpy(laid.rows).pin_memory().to(self._device, non_blocking=True)
        scratch = torch.empty(laid.scratch, dtype=torch.uint8, device=self._device)
        tall, wide, measured = (
            int(laid.field(name).max()) for name in ("UPRIGHT_HEIGHT", "UPRIGHT_WIDTH", "MEASURED_WIDTH")
        )
        start(self._kernels["reduce"], (tall * wide, count), table, scratch)
        start(self._kernels["across"], (tall * (3 * size + measured), count), table, scratch, size)
        start(self._kernels["down"], (3 * size**2 + LONGEST_SIDE**2, count), table, scratch, pixels, size)
        return Developed(photographs, laid, table, scratch, self._kernels["measure"])
