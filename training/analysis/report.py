"""The analysis as one page that stands by itself, for an operator to read from top to bottom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.analysis.baselines import Baseline
from training.analysis.charts import HEIGHT, WIDTH, histograms, mix, series
from training.analysis.comparison import Comparison
from training.analysis.records import iso
from training.analysis.windows import Window

TEMPLATE = Path(__file__).with_name("report.html.j2")
_ROWS = 30


def page(
    analysis: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    shown: Window | None,
    baseline: Baseline | None,
    shadow: Comparison | None,
) -> str:
    """
    Return the report as HTML.

    Parameters
    ----------
    shown, baseline
        The newest window that could be compared, with what it was compared with; none where nothing could.
    shadow
        The newest shadow model beside the one that serves, if there is one.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # comes with torch; the report alone needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.1%}"  # noqa: RUF001
    compared = (shown, baseline) if shown is not None and baseline is not None else None
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        analysis=analysis,
        rows=list(reversed(history[-_ROWS:])),
        latest=history[-1] if history else None,
        series=series(history),
        shown=shown,
        ended=iso(shown.end) if shown else "",
        tests=next((w["tests"] for w in reversed(analysis["windows"]) if w.get("tests")), []),
        histograms=histograms(*compared) if compared else [],
        mix=mix(*compared) if compared else [],
        confusion=shadow.confusion if shadow else {},
        confused=shadow.classes if shadow else [],
        width=WIDTH,
        height=HEIGHT,
    )
