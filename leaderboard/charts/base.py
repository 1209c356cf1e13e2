"""What all charts share: their look, their colours, and the drawing on the server.

The SVG made here is complete without JavaScript; where scripts run, Vega draws the same spec
with tooltips. Lines and text take the page's own colour (``currentColor``), so that one drawing
serves light and dark.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import altair as alt
import vl_convert
from django.conf import settings
from django.utils.text import slugify

#: Told apart by the colour-blind and on light and dark; each has its own shape as well.
COLOURS = ("#1f83c4", "#d55e00", "#00997a", "#b06fc4", "#a8820f", "#7a7f87")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
#: So many potentials can be told apart in one chart.
MAX_SERIES = len(COLOURS)
_SVG_CACHE = "charts"
#: What vl-convert puts before every link that names no host.
_FOREIGN_BASE = "https://vega.github.io/vega-datasets/"

AnyChart = TypeVar(
    "AnyChart", alt.Chart, alt.LayerChart, alt.VConcatChart, alt.HConcatChart, alt.FacetChart
)


@dataclass(frozen=True, kw_only=True)
class Chart:
    title: str
    #: What a reader who cannot see it should know.
    description: str
    spec: dict[str, Any]
    svg: str
    #: The page of the system that it shows, where it shows one.
    url: str = ""

    @property
    def id(self) -> str:
        """The id of the chart's element; one page never shows two charts of one title."""
        return f"chart-{slugify(self.title)}"


def finished(chart: AnyChart, title: str, description: str, url: str = "") -> Chart:
    """Themed, described and drawn."""
    described = chart.properties(description=title)
    spec: dict[str, Any] = json.loads(themed(described).to_json())
    svg = _with_own_ids(render_svg(spec), slugify(title))
    return Chart(title=title, description=description, spec=spec, svg=svg, url=url)


def potential_colour(series: Sequence[str]) -> alt.Color:
    """One colour for each potential, with the legend above the chart."""
    return alt.Color(
        "potential:N",
        title=None,
        scale=alt.Scale(domain=list(series), range=list(COLOURS[: len(series)])),
        legend=alt.Legend(orient="top", columns=1, labelLimit=420, symbolOpacity=1),
    )


def check_series(series: Sequence[str]) -> None:
    """Raise ValueError for more potentials than can be told apart."""
    if len(series) > MAX_SERIES:
        raise ValueError(f"{len(series)} potentials; at most {MAX_SERIES} can be told apart")


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
    write_whole(path, svg.encode())
    return svg


def themed(chart: AnyChart) -> AnyChart:
    """The page's font and colours, on no background."""
    font = "system-ui, sans-serif"
    # Vega fits single views into a frame, and leaves nothing of views put together.
    autosize: Literal["fit", "pad"] = (
        "fit" if isinstance(chart, alt.Chart | alt.LayerChart) else "pad"
    )
    result: AnyChart = (
        chart.configure(background="transparent", font=font, autosize=autosize)
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
    return result


def _scalable(svg: str) -> str:
    """Let the page decide the width: the viewBox alone gives the shape. Links stay on this site."""
    svg = svg.replace(f'href="{_FOREIGN_BASE}/', 'href="/')
    head, _, rest = svg.partition(">")
    words = [w for w in head.split(" ") if not w.startswith(("width=", "height="))]
    return f"{' '.join(words)}>{rest}"


def _with_own_ids(svg: str, prefix: str) -> str:
    """Colour gradients have ids, which the live drawing and other charts of the page have too."""
    return re.sub(r'( id="|="url\(#)', rf"\g<1>{prefix}-", svg)


def write_whole(path: Path, content: bytes) -> None:
    """Another process reads either nothing or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).replace(path)
