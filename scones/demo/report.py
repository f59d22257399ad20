"""Writes what a demo found: report.json for programs, report.html for people."""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scones.classification import Decision
from scones.demo.charts import curve
from scones.demo.results import Model, confusion, totals

PICTURE_SIDE = 112
"""Longest side of a picture in the page, pixels."""
MOST_PICTURES = 600
"""In the page; wrong and unsure ones come first."""
SECONDS = ("setup", "deploy", "train", "classify", "destroy", "total")


def build(
    *,
    classifier: str,
    model: Model,
    decisions: Sequence[Decision],
    seconds: Mapping[str, float],
    leftovers: Sequence[str],
    denied: Sequence[str],
) -> dict[str, Any]:
    """Return the report.

    Parameters
    ----------
    classifier
        Its name.
    model
        What the training left.
    decisions
        One per held-back picture, in their order.
    seconds
        How long each phase took; `total` is without `setup`.
    leftovers
        What still existed after everything was destroyed.
    denied
        What a role of the deployment tried and may not do.
    """
    expected = [each.expected for each in model.held]
    summary = model.summary
    counts: dict[str, Any] = summary.get("classes", {})
    classes = list(counts) or sorted(set(expected))
    return {
        "classifier": classifier,
        "data": {
            "source": summary.get("source", "unknown"),
            "drawings": bool(summary.get("drawings", False)),
            "classes": classes,
            "counts": counts,
            "images": summary.get("images"),
            "rejected": summary.get("rejected", 0),
            "duplicates": summary.get("duplicates", 0),
            "version": model.champion.get("dataset_version"),
        },
        "model": {
            key: model.champion[key]
            for key in ("run", "model_package_arn", "dataset_version")
            if key in model.champion
        },
        "images": [
            {
                "key": decision.object,
                "file": f"{held.expected}/{held.path.name}",
                "expected": held.expected,
                "predicted": decision.predicted,
                "confidence": decision.confidence,
                "outcome": decision.outcome,
                "route": decision.route,
                "milliseconds": decision.milliseconds,
            }
            for held, decision in zip(model.held, decisions, strict=True)
        ],
        **totals(decisions, expected),
        "confusion": {"classes": classes, "counts": confusion(decisions, expected, classes)},
        "training": {"epochs": model.metrics.get("epochs", []), "phases": model.metrics.get("phases", {})},
        "seconds": {key: round(seconds.get(key, 0.0), 1) for key in SECONDS},
        "leftovers": list(leftovers),
        "denied": list(denied),
    }


def write(report: Mapping[str, Any], pictures: Path, folder: Path, latest: Path) -> None:
    """Write both files to a folder of the run, and replace the latest ones.

    Parameters
    ----------
    report
        From `build`.
    pictures
        Folder of `<class>/<file>`, which the report's `file` members name.
    folder, latest
        Where to write to; files appear whole, so that two demos at once cannot mix theirs.
    """
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    page = render(report, pictures)
    for place in (folder, latest):
        place.mkdir(parents=True, exist_ok=True)
        _replace(place / "report.json", text)
        _replace(place / "report.html", page)


def render(report: Mapping[str, Any], pictures: Path) -> str:
    """Return the page: one file, with everything it needs in it."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # the report alone needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = (Path(__file__).parent / "report.html.j2").read_text(encoding="utf-8")
    order = {"wrong": 0, "unsure": 1, "correct": 2}
    tiles = sorted(
        ({**image, "verdict": verdict(image)} for image in report["images"]),
        key=lambda tile: (order[tile["verdict"]], tile["confidence"] or 0.0),
    )
    shown = tiles[:MOST_PICTURES]
    for tile in shown:
        tile["picture"] = data_uri(pictures / tile["file"])
    return environment.from_string(template).render(
        report=report,
        tiles=shown,
        hidden=len(tiles) - len(shown),
        verdicts={
            name: sum(tile["verdict"] == name for tile in tiles) for name in ("correct", "wrong", "unsure")
        },
        curve=curve(report["training"]["epochs"]),
        phases=_phases(report["seconds"]),
    )


def verdict(image: Mapping[str, Any]) -> str:
    """Sort a picture: sent to a person, or routed rightly or wrongly."""
    if image["outcome"] == "review":
        return "unsure"
    return "correct" if image["predicted"] == image["expected"] else "wrong"


def data_uri(path: Path) -> str:
    """Return a small copy of a picture as a data URI; an empty one when it cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415  # the report alone needs it

    try:
        with Image.open(path) as image:
            small = ImageOps.exif_transpose(image)
            small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
            small = small.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return "data:,"
    buffer = io.BytesIO()
    tiny = max(small.size) <= 48
    small.save(buffer, "PNG" if tiny else "JPEG", **({} if tiny else {"quality": 80}))
    kind = "png" if tiny else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _phases(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    parts = [(name, seconds[name]) for name in SECONDS if name != "total"]
    whole = max(sum(value for _, value in parts), 1e-9)
    return [{"name": name, "seconds": value, "share": value / whole} for name, value in parts]


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)
