"""Charts: Altair specs from pandas frames, drawn on the server and again by Vega in the page.

The SVG made here is complete without JavaScript; where scripts run, Vega draws the same spec
with tooltips. Lines and text take the page's own colour (``currentColor``), so that one drawing
serves light and dark.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from django.conf import settings

from evaluator.catalog import Column

#: Told apart by the colour-blind and on light and dark; each has its own shape as well.
COLOURS = ("#1f83c4", "#d55e00", "#00997a", "#b06fc4", "#a8820f", "#7a7f87")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
#: So many potentials can be told apart in one chart.
MAX_SERIES = len(COLOURS)
#: A reference that spans more than this factor is drawn on logarithmic axes.
_LOG_FACTOR = 30.0
_SVG_CACHE = "charts"
#: What vl-convert puts before every link that names no host.
_FOREIGN_BASE = "https://vega.github.io/vega-datasets/"


@dataclass(frozen=True, kw_only=True)
class Chart:
    title: str
    #: What a reader who cannot see it should know.
    description: str
    spec: dict[str, Any]
    svg: str


def parity_chart(points: pd.DataFrame, column: Column, series: Sequence[str]) -> Chart:
    """Predicted against reference, one point a system, coloured by potential.

    Parameters
    ----------
    points
        Columns ``potential``, ``system``, ``predicted``, ``reference``, ``url``; finite numbers
        in the unit of ``column``.
    series
        The potentials in the order of colours, at most MAX_SERIES; those beyond are refused.
    """
    if len(series) > MAX_SERIES:
        raise ValueError(f"{len(series)} potentials; at most {MAX_SERIES} can be told apart")
    if points.empty:
        raise ValueError("a parity chart needs at least one point")
    unit = f" / {column.unit}" if column.unit else ""
    scale = _shared_scale(points["reference"])
    colour = alt.Color(
        "potential:N",
        title=None,
        scale=alt.Scale(domain=list(series), range=list(COLOURS[: len(series)])),
        legend=alt.Legend(orient="top", columns=1, labelLimit=420, symbolOpacity=1),
    )
    shape = alt.Shape(
        "potential:N",
        title=None,
        scale=alt.Scale(domain=list(series), range=list(SHAPES[: len(series)])),
    )
    marks = (
        alt.Chart(points)
        .mark_point(filled=True, size=46, opacity=0.75)
        .encode(
            x=alt.X("reference:Q", title=f"reference {column.label}{unit}", scale=scale),
            y=alt.Y("predicted:Q", title=f"predicted {column.label}{unit}", scale=scale),
            color=colour,
            shape=shape,
            href="url:N",
            tooltip=[
                alt.Tooltip("system:N", title="system"),
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("reference:Q", title=f"reference{unit}", format=".4~g"),
                alt.Tooltip("predicted:Q", title=f"predicted{unit}", format=".4~g"),
            ],
        )
    )
    low, high = scale.domain
    diagonal = (
        alt.Chart(pd.DataFrame({"reference": [low, high], "predicted": [low, high]}))
        .mark_line(color="currentColor", opacity=0.45, strokeDash=[4, 4], strokeWidth=1)
        .encode(x="reference:Q", y="predicted:Q")
    )
    title = f"Predicted against reference {column.label}"
    n_systems = points["system"].nunique()
    description = (
        f"{title}: {len(points)} points, {n_systems} systems, for {', '.join(series)}. A point on "
        "the dashed line is exact, one below it too small. Points beyond the frame lie on its "
        "edge. The numbers stand in the tables of the evaluations."
    )
    chart = _themed((diagonal + marks).properties(width=430, height=430, description=title))
    spec: dict[str, Any] = json.loads(chart.to_json())
    return Chart(title=title, description=description, spec=spec, svg=render_svg(spec))


def render_svg(spec: dict[str, Any]) -> str:
    """Draw a Vega-Lite spec; drawings are kept in DATA_DIR under the hash of their spec.

    The drawing reads nothing but the spec: data by URL is refused.
    """
    text = json.dumps(spec, sort_keys=True)
    digest = hashlib.sha256(f"{version('vl-convert-python')}\n{text}".encode()).hexdigest()
    path = Path(settings.DATA_DIR) / _SVG_CACHE / digest[:2] / f"{digest}.svg"
    try:
        return path.read_text()
    except FileNotFoundError:
        svg = _scalable(vl_convert.vegalite_to_svg(text, allowed_base_urls=[]))
    _write_whole(path, svg)
    return svg


def _shared_scale(reference: pd.Series[float]) -> alt.Scale:
    """The same scale on both axes, a little wider than the reference; the rest is clamped."""
    low, high = float(reference.min()), float(reference.max())
    if low > 0 and high / low > _LOG_FACTOR:
        return alt.Scale(type="log", domain=[low / 1.6, high * 1.6], clamp=True, nice=False)
    margin = 0.08 * (high - low) or abs(high) or 1.0
    return alt.Scale(domain=[low - margin, high + margin], clamp=True, zero=False, nice=False)


def _themed(chart: alt.LayerChart) -> alt.LayerChart:
    font = "system-ui, sans-serif"
    themed: alt.LayerChart = (
        chart.configure(background="transparent", font=font, autosize="fit")
        .configure_view(stroke="currentColor", strokeOpacity=0.25)
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            titleFontWeight="normal",
            titleFontSize=13,
            labelFontSize=12,
            gridColor="currentColor",
            gridOpacity=0.1,
            tickColor="currentColor",
            tickOpacity=0.4,
            domainColor="currentColor",
            domainOpacity=0.4,
            labelFlush=False,
            tickCount=6,
        )
        .configure_legend(labelColor="currentColor", labelFontSize=13, symbolSize=70)
    )
    return themed


def _scalable(svg: str) -> str:
    """Let the page decide the width: the viewBox alone gives the shape. Links stay on this site."""
    svg = svg.replace(f'href="{_FOREIGN_BASE}/', 'href="/')
    head, _, rest = svg.partition(">")
    words = [w for w in head.split(" ") if not w.startswith(("width=", "height="))]
    return f"{' '.join(words)}>{rest}"


def _write_whole(path: Path, text: str) -> None:
    """Another process reads either nothing or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".svg-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).replace(path)
