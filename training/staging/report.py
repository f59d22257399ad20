"""The data as one page that stands by itself: what was staged, what was set aside, and what it looks like."""

import base64
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from classifier.preprocessing import open_rgb
from training.staging.candidates import SPLITS
from training.staging.dataset import Dataset, Picture

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN = 12
"""Pictures of each class."""
GROUPS = 8
"""Groups of near duplicates."""
REJECTS = 100
_SIDE = 96
_TINY = 48


def page(dataset: Dataset, files: Mapping[str, bytes]) -> str:
    """
    Return the report as HTML.

    Parameters
    ----------
    files
        The bytes of each of the dataset's files.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # comes with torch; the report alone needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = dataset.counts()
    totals = {name: sum(split.values()) for name, split in counts.items()}
    return environment.from_string(
        TEMPLATE.read_text(encoding="utf-8")
    ).render(
        dataset=dataset,
        splits=SPLITS,
        counts=counts,
        totals=totals,
        imbalance=max(totals.values()) / min(totals.values()),
        sizes=_most(f"{p.width} × {p.height}" for p in dataset.pictures),  # noqa: RUF001  # how sizes are written
        modes=_most(p.mode for p in dataset.pictures),
        rejects=dataset.rejects[:REJECTS],
        shown={name: _uris(_some(dataset, name), files) for name in dataset.classes},
        groups=[_uris(group, files) for group in _near(dataset)[:GROUPS]],
        grouped=len(_near(dataset)),
    )


def _most(values: Iterable[str], most: int = 8) -> list[tuple[str, int]]:
    counted = Counter(values).most_common()
    rest = sum(count for _, count in counted[most:])
    return counted[:most] + ([(f"{len(counted) - most} others", rest)] if rest else [])


def _some(dataset: Dataset, name: str) -> list[Picture]:
    # By their hashes, which is as good as by chance, and the same each time.
    return sorted((p for p in dataset.pictures if p.label == name), key=lambda p: p.pixels)[:SHOWN]


def _near(dataset: Dataset) -> list[list[Picture]]:
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in dataset.pictures:
        groups[picture.group].append(picture)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)


def _uris(pictures: Sequence[Picture], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Return each picture's name and a small copy."""
    made = []
    for picture in pictures[:SHOWN]:
        image = open_rgb(files[picture.file])[0]
        if max(image.size) < _TINY:
            factor = _SIDE // max(image.size)
            image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        made.append(
            (picture.original, "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
        )
    return made
