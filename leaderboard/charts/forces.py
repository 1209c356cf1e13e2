"""Charts of energies and forces, from the summaries of evaluations.

Forces are in eV/Å. A series is a potential's label with the summary of its evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from leaderboard.charts.base import (
    SHAPES,
    Chart,
    check_series,
    finished,
    potential_colour,
)

Summary = Mapping[str, Any]
Series = Sequence[tuple[str, Summary]]

#: A chart of materials shows each by name up to this many; beyond, only how they are spread.
_NAMED_MATERIALS = 30
#: Nothing smaller is drawn on a logarithmic axis, eV/Å.
_LEAST_ERROR = 1e-3


def evaluation_charts(label: str, summary: Summary) -> list[Chart]:
    """Where this potential's forces lie, and how soft it is on each material."""
    charts = []
    if parity := summary.get("force_parity"):
        charts.append(density_chart(label, parity))
    return charts + task_charts([(label, summary)])


def task_charts(series: Series) -> list[Chart]:
    """Distribution of errors, errors by size of force, softening by material."""
    check_series([label for label, _ in series])
    drawn = (error_chart(series), length_chart(series), softening_chart(series))
    return [chart for chart in drawn if chart is not None]


def density_chart(label: str, parity: Mapping[str, Any]) -> Chart:
    """Predicted against reference force components, coloured by how many lie in each cell."""
    n, limit = int(parity["n_cells"]), float(parity["limit_eV_A"])
    edges = np.linspace(-limit, limit, n + 1).round(4).tolist()
    cells = pd.DataFrame(
        [
            {"x": edges[i], "x2": edges[i + 1], "y": edges[j], "y2": edges[j + 1], "n": count}
            for i, j, count in parity["cells"]
        ]
    )
    scale = alt.Scale(domain=[-limit, limit], nice=False)
    density = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X("x:Q", title="reference force component / eV/Å", scale=scale),
            x2="x2:Q",
            y=alt.Y("y:Q", title="predicted force component / eV/Å", scale=scale),
            y2="y2:Q",
            color=alt.Color(
                "n:Q",
                title="components",
                scale=alt.Scale(type="log", scheme="viridis"),
                legend=alt.Legend(orient="right", tickCount=4, titleColor="currentColor"),
            ),
            tooltip=[alt.Tooltip("n:Q", title="components")],
        )
    )
    line = (
        alt.Chart(pd.DataFrame({"x": [-limit, limit], "y": [-limit, limit]}))
        .mark_line(color="currentColor", opacity=0.6, strokeDash=[4, 4], strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    inside = int(cells["n"].sum())
    description = (
        f"Force components of {label}: {inside} lie in the frame, {parity['n_outside']} beyond it. "
        "On the dashed line a prediction is exact; a cloud that is flatter than the line belongs "
        "to a potential that is too soft."
    )
    chart = (density + line).properties(width=390, height=390)
    return finished(chart, "Predicted against reference force components", description)


def error_chart(series: Series) -> Chart | None:
    """Share of the atoms whose force error stays below a limit."""
    rows = [
        {
            "potential": label,
            "share": 100 * float(row["share"]),
            "error": max(float(row["error_eV_A"]), _LEAST_ERROR),
        }
        for label, summary in series
        for row in summary.get("force_error_shares", ())
    ]
    if not rows:
        return None
    points = pd.DataFrame(rows)
    names = _drawn(series, points)
    chart = (
        alt.Chart(points)
        .mark_line(interpolate="monotone", point={"size": 22, "filled": True})
        .encode(
            x=alt.X("error:Q", title="force error / eV/Å", scale=alt.Scale(type="log", nice=False)),
            y=alt.Y("share:Q", title="atoms with a smaller error / %"),
            color=potential_colour(names),
            order="share:Q",
            tooltip=[
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("share:Q", title="share of atoms / %", format=".3~g"),
                alt.Tooltip("error:Q", title="error below / eV/Å", format=".3~g"),
            ],
        )
        .properties(width=430, height=300)
    )
    description = (
        "How the errors of the atoms' force vectors are spread: at each error, the share of atoms "
        "that have a smaller one. A curve further left is better; a long tail to the right means "
        "that a few atoms are badly wrong."
    )
    return finished(chart, "Distribution of force errors", description)


def length_chart(series: Series) -> Chart | None:
    """Mean force error of the atoms in bins of their reference force."""
    rows = []
    for label, summary in series:
        bins = [
            b
            for b in summary.get("force_error_by_reference_force", ())
            if b["error_eV_A"] is not None
        ]
        rows += [
            {
                "potential": label,
                "bin": _bin_name(b),
                "error": max(float(b["error_eV_A"]), _LEAST_ERROR),
                "n_atoms": b["n_atoms"],
            }
            for b in bins
        ]
    if not rows:
        return None
    points = pd.DataFrame(rows)
    names = _drawn(series, points)
    order = [_bin_name(b) for b in series[0][1].get("force_error_by_reference_force", ())]
    chart = (
        alt.Chart(points)
        .mark_line(point={"size": 50, "filled": True})
        .encode(
            x=alt.X(
                "bin:N",
                title="reference force of the atom / eV/Å",
                sort=order,
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("error:Q", title="mean force error / eV/Å", scale=alt.Scale(type="log")),
            color=potential_colour(names),
            tooltip=[
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("bin:N", title="reference force / eV/Å"),
                alt.Tooltip("error:Q", title="mean error / eV/Å", format=".3~g"),
                alt.Tooltip("n_atoms:Q", title="atoms"),
            ],
        )
        .properties(width=430, height=300)
    )
    description = (
        "Mean error of the force vectors of atoms whose reference force has a given length: on the "
        "left atoms near equilibrium, on the right those far from it."
    )
    return finished(chart, "Force error by size of the force", description)


def softening_chart(series: Series) -> Chart | None:
    """Slope of predicted against reference forces, a point for each material."""
    rows = [
        {
            "potential": label,
            "material": item["material"],
            "slope": float(item["slope_through_origin"]),
            "n_structures": item["n_structures"],
        }
        for label, summary in series
        for item in summary.get("softening_by_material", {}).get("materials", ())
    ]
    if not rows:
        return None
    points = pd.DataFrame(rows)
    names = _drawn(series, points)
    # Beyond a slope of 2, or below -0.5, only the direction tells.
    points["drawn"] = points["slope"].clip(-0.5, 2.0)
    is_named = points["material"].nunique() <= _NAMED_MATERIALS
    title = "Softening by material"
    x = alt.X(
        "drawn:Q",
        title="slope of predicted against reference force",
        scale=alt.Scale(zero=False, nice=True),
    )
    shape = alt.Shape(
        "potential:N",
        title=None,
        scale=alt.Scale(domain=list(names), range=list(SHAPES[: len(names)])),
    )
    tooltip = [
        alt.Tooltip("material:N", title="material"),
        alt.Tooltip("potential:N", title="potential"),
        alt.Tooltip("slope:Q", title="slope", format=".3f"),
        alt.Tooltip("n_structures:Q", title="structures"),
    ]
    if is_named:
        y = alt.Y("material:N", title=None)
        height = 40 + 20 * points["material"].nunique()
    else:
        y = alt.Y("potential:N", title=None, axis=alt.Axis(labels=False, ticks=False), sort=names)
        height = 40 + 42 * len(names)
    marks = alt.Chart(points).encode(
        x=x, y=y, color=potential_colour(names), shape=shape, tooltip=tooltip
    )
    drawn = (
        marks.mark_point(filled=True, size=60, opacity=0.85)
        if is_named
        else marks.mark_point(filled=True, size=30, opacity=0.5)
    )
    exact = (
        alt.Chart(pd.DataFrame({"one": [1.0]}))
        .mark_rule(color="currentColor", opacity=0.5, strokeDash=[4, 4])
        .encode(x="one:Q")
    )
    description = (
        "At the dashed line forces are as large as the reference's; left of it a "
        f"potential is too soft. {points['material'].nunique()} materials with forces large enough "
        "to judge. Slopes above 2 and below −0.5 lie on the edge."
    )
    return finished((exact + drawn).properties(width=430, height=height), title, description)


def _bin_name(item: Mapping[str, Any]) -> str:
    high = item["to_eV_A"]
    return f"> {item['from_eV_A']:g}" if high is None else f"{item['from_eV_A']:g}–{high:g}"


def _drawn(series: Series, points: pd.DataFrame) -> list[str]:
    """The potentials that have points, in the order of colours."""
    potentials = set(points["potential"])
    return [label for label, _ in series if label in potentials]
