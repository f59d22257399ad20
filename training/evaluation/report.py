"""The evaluation as one page that stands by itself."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from training.evaluation.examination import Examination
from training.evaluation.figures import at_most

TEMPLATE = Path(__file__).with_name("report.html.j2")
_SIDE = 240


def page(figures: Mapping[str, Any], manifest: Mapping[str, Any], examination: Examination) -> str:
    """Return the report as HTML."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # comes with torch; the report alone needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["at_most"] = at_most
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.1%}"  # noqa: RUF001
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        figures=figures,
        manifest=manifest,
        card=examination.card,
        latency=examination.latency,
        side=_SIDE,
        reliability=[(_x(b["confidence"]), _y(b["accuracy"])) for b in figures["calibration"]["bins"]],
        curve=_line([(p["coverage"], p["error"]) for p in figures["risk_coverage"]], _top(figures)),
        top=_top(figures),
        here=(_x(figures["coverage"]), _y((figures["routing"]["error"] or 0.0) / _top(figures))),
        mistakes=[(m.answer, _uri(m.picture), _uri(m.saliency)) for m in examination.mistakes],
    )


def _x(share: float) -> float:
    return round(share * _SIDE, 1)


def _y(share: float) -> float:
    return round((1.0 - share) * _SIDE, 1)


def _top(figures: Mapping[str, Any]) -> float:
    """Return the highest error that the risk-coverage curve's axis shows."""
    return float(max([0.02, *(point["error"] for point in figures["risk_coverage"])]))


def _line(points: Sequence[tuple[float, float]], top: float) -> str:
    return " ".join(f"{_x(coverage)},{_y(error / top)}" for coverage, error in points)


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
