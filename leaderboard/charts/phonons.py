"""Charts of phonons: bands beside densities of states, and who was told to be unstable.

Frequencies are in THz, imaginary ones negative. A system is a crystal's name with the values of its
record, beside them the reference's as "reference".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.charts.base import COLOURS, Chart, check_series, finished

Values = Mapping[str, Any]
Series = Sequence[tuple[str, Values]]

#: The tolerance that is drawn, in THz; the page's table has the others.
_TOLERANCE_THZ = 0.1
_HEIGHT = 300
#: Classes of the confusion matrix: key of the summary, words.
_CLASSES = (
    ("true_stable", "rightly stable"),
    ("false_unstable", "wrongly unstable"),
    ("false_stable", "wrongly stable"),
    ("true_unstable", "rightly unstable"),
)
#: What tells how far off a crystal is: the number of the record, or a pair with the reference.
_DISTANCE = "dos_distance_THz"
_PAIRED = ("gamma_max_THz", "omega_max_THz")


def evaluation_charts(label: str, summary: Values, systems: Series) -> list[Chart]:
    """Bands of the crystals that came out best, in the middle, and worst; the confusion matrix."""
    charts = [band_chart(label, *system) for system in _telling(systems)]
    return charts + task_charts([(label, summary)])


def task_charts(series: Series) -> list[Chart]:
    """How many crystals each potential tells rightly or wrongly to be stable."""
    check_series([label for label, _ in series])
    charts = [
        (label, row)
        for label, summary in series
        for row in summary.get("stability", ())
        if row["tolerance_THz"] == _TOLERANCE_THZ and sum(row[key] for key, _ in _CLASSES)
    ]
    return [stability_chart(charts)] if charts else []


def band_chart(label: str, name: str, values: Values, *, with_label: bool = False) -> Chart:
    """Bands along the standard path, and beside them the density of states and the reference's.

    ``with_label`` names the potential in the title, where a page has several.
    """
    reference = values.get("reference", {})
    curves = {label: values["dos"]}
    if "dos" in reference:
        curves["reference"] = reference["dos"]
    # The potential's line is drawn over the reference's grey.
    scale = alt.Scale(domain=list(curves), range=[COLOURS[0], COLOURS[5]][: len(curves)])
    frequencies = [f for curve in curves.values() for f in curve["frequency_THz"]]
    y = alt.Scale(domain=[min(frequencies), max(frequencies)], nice=True)
    chart = alt.hconcat(
        _bands(values["bands"], y), _density(curves, y, scale), spacing=12
    ).resolve_scale(y="shared")
    title = f"Phonons of {name}, {label}" if with_label else f"Phonons of {name}"
    beside = (
        "the reference's is grey"
        if "dos" in reference
        else "of the reference no density of states is known"
    )
    description = (
        f"Phonons of {name} with {label}: bands along the standard path of the Brillouin zone, "
        f"and the density of states beside them; {beside}. Below zero frequencies are imaginary. "
        "Without the non-analytical correction."
    )
    return finished(chart, title, description, values.get("url", ""))


def stability_chart(judged: Sequence[tuple[str, Values]]) -> Chart:
    """The confusion matrix of stability, one row for each potential."""
    words = [text for _, text in _CLASSES]
    counts = pd.DataFrame(
        [
            {"potential": label, "class": text, "n": int(row[key]), "share": _share(row, key)}
            for label, row in judged
            for key, text in _CLASSES
        ]
    )
    axis = alt.Axis(labelAngle=0, domain=False, labelExpr="split(datum.label, ' ')")
    x = alt.X("class:N", title=None, sort=words, axis=axis)
    y = alt.Y(
        "potential:N",
        title=None,
        sort=[label for label, _ in judged],
        axis=alt.Axis(labelLimit=230, minExtent=150),
    )
    cells = (
        alt.Chart(counts)
        .mark_rect(stroke="currentColor", strokeOpacity=0.3)
        .encode(
            x=x,
            y=y,
            fill=alt.value(COLOURS[0]),
            fillOpacity=alt.Opacity("share:Q", scale=alt.Scale(range=[0, 0.75]), legend=None),
            tooltip=[
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("class:N", title="class"),
                alt.Tooltip("n:Q", title="crystals"),
            ],
        )
    )
    numbers = (
        alt.Chart(counts).mark_text(fontSize=15, color="currentColor").encode(x=x, y=y, text="n:Q")
    )
    description = (
        f"Crystals with imaginary modes beyond {_TOLERANCE_THZ:g} THz are called unstable. "
        "Numbers are crystals; the classes of a potential add up to all that it was judged on."
    )
    chart = (cells + numbers).properties(width=430, height=max(60, 44 * len(judged)))
    return finished(chart, "Stable and unstable crystals", description)


def _bands(bands: Values, y: alt.Scale) -> alt.LayerChart:
    path = list(zip(bands["distance"], _sections(bands["distance"]), strict=True))
    lines = pd.DataFrame(
        [
            {"distance": distance, "frequency": frequency, "line": f"{branch} {section}"}
            for branch, frequencies in enumerate(bands["frequency_THz"])
            for (distance, section), frequency in zip(path, frequencies, strict=True)
        ]
    )
    corners = _corners(bands["corners"])
    names = "".join(f"datum.value == {at} ? '{name}' : " for at, name in corners)
    at = [position for position, _ in corners]
    x = alt.X(
        "distance:Q",
        title=None,
        scale=alt.Scale(domain=[0, bands["distance"][-1]], nice=False),
        axis=alt.Axis(
            values=at,
            tickCount=len(at),  # of more values than it counts Vega drops every other
            labelExpr=f"{names}''",
            labelOverlap=False,
            grid=True,
            gridOpacity=0.4,
        ),
    )
    branches = (
        alt.Chart(lines)
        .mark_line(strokeWidth=1.3, color=COLOURS[0])
        .encode(
            x=x,
            y=alt.Y("frequency:Q", title="frequency / THz", scale=y),
            detail="line:N",
        )
    )
    zero = (
        alt.Chart(pd.DataFrame({"frequency": [0.0]}))
        .mark_rule(color="currentColor", opacity=0.45, strokeDash=[4, 4])
        .encode(y="frequency:Q")
    )
    layers: alt.LayerChart = (branches + zero).properties(width=330, height=_HEIGHT)
    return layers


def _density(curves: Mapping[str, Values], y: alt.Scale, scale: alt.Scale) -> alt.Chart:
    points = pd.DataFrame(
        [
            {"curve": name, "frequency": frequency, "states": states, "order": i}
            for name, curve in curves.items()
            for i, (frequency, states) in enumerate(
                zip(curve["frequency_THz"], curve["states_per_THz_atom"], strict=True)
            )
        ]
    )
    chart: alt.Chart = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=alt.X("states:Q", title="states / THz atom", axis=alt.Axis(tickCount=3)),
            y=alt.Y("frequency:Q", title=None, scale=y, axis=alt.Axis(labels=False)),
            order="order:Q",
            color=alt.Color(
                "curve:N",
                title=None,
                scale=scale,
                legend=alt.Legend(orient="top", columns=1, labelLimit=200),
            ),
        )
        .properties(width=110, height=_HEIGHT)
    )
    return chart


def _sections(distances: Sequence[float]) -> list[int]:
    """The number of each point's section: at its end the path may jump, and a distance repeats."""
    numbers = [0]
    for last, distance in pairwise(distances):
        numbers.append(numbers[-1] + (distance == last))
    return numbers


def _corners(corners: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Corners at one place, where the path jumps, share a label."""
    names: dict[float, list[str]] = {}
    for at, name in corners:
        names.setdefault(float(at), [])
        if name not in names[float(at)]:
            names[float(at)].append(name)
    return [(at, "|".join(labels)) for at, labels in names.items()]


def _telling(systems: Series) -> list[tuple[str, Values]]:
    """The best, the middle and the worst of those that have bands."""
    with_bands = [(n, v) for n, v in systems if "bands" in v and "dos" in v]
    ranked = sorted(with_bands, key=lambda system: _distance(system[1]))
    if len(ranked) <= 3:
        return ranked
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]


def _distance(values: Values) -> float:
    if _DISTANCE in values:
        return float(values[_DISTANCE])
    reference = values.get("reference", {})
    for name in _PAIRED:
        if reference.get(name) and name in values:
            return abs(float(values[name]) / float(reference[name]) - 1)
    return 0.0


def _share(row: Values, key: str) -> float:
    n = sum(int(row[name]) for name, _ in _CLASSES)
    return int(row[key]) / n
