"""Charts of efficiency: time of a call against the number of atoms, on logarithmic axes.

A series is a potential's label with the summary of its evaluation and the records of its materials.
Times are medians in ms, with the quartiles of all timed calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.charts.base import COLOURS, MAX_SERIES, Chart, check_series, finished

Values = Mapping[str, Any]
#: (name, values) of each material, in the order of the reference set.
Materials = Sequence[tuple[str, Values]]
#: A law beyond these is of no times, and would leave the points no room on the axis: no call is
#: shorter than 1 ns or longer than 30 years.
_SHORTEST_MS, _LONGEST_MS = 1e-6, 1e12


def evaluation_charts(materials: Materials) -> list[Chart]:
    """One curve for each material, with its power law."""
    curves = [(values["formula"], values) for _, values in materials if values.get("sizes")]
    if not curves:
        return []
    description = (
        "Median time of a force call over the number of atoms, one structure in a call; bars span "
        "the quartiles. Dashed is the power law over the sizes that it was fitted to: exponent "
        f"{_exponents(curves)}."
    )
    return [_chart(curves[:MAX_SERIES], "Time of a call against atoms", description)]


def task_charts(rows: Sequence[tuple[str, Values, Materials]]) -> list[Chart]:
    """One curve for each potential, on the first material that all of them ran.

    Rows are (label, summary, materials). Where they were timed on more than one hardware, the
    legend tells each potential's.
    """
    check_series([label for label, _, _ in rows])
    hardware = {summary.get("hardware") for _, summary, _ in rows}
    ran = [
        (
            label if len(hardware) == 1 else f"{label}, {summary.get('hardware')}",
            {name: values for name, values in materials if values.get("sizes")},
        )
        for label, summary, materials in rows
    ]
    ran = [(label, by_name) for label, by_name in ran if by_name]
    common = [name for name in (ran[0][1] if ran else ()) if all(name in row for _, row in ran)]
    if not common:
        return []
    curves = [(label, by_name[common[0]]) for label, by_name in ran]
    formula = curves[0][1]["formula"]
    description = (
        f"Median time of a force call for {formula} over the number of atoms, one structure in a "
        "call; bars span the quartiles, dashed is the fitted power law. Only times on the same "
        "hardware can be compared."
    )
    return [_chart(curves, f"Time of a call against atoms, {formula}", description)]


def _chart(curves: Sequence[tuple[str, Values]], title: str, description: str) -> Chart:
    names = list(dict.fromkeys(name for name, _ in curves))
    colour = alt.Color(
        "curve:N",
        title=None,
        scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])),
        legend=alt.Legend(orient="top", columns=1, labelLimit=420, symbolOpacity=1),
    )
    log = alt.Scale(type="log", nice=False, padding=12)
    x = alt.X("n_atoms:Q", title="atoms", scale=log)
    y = alt.Y("median_ms:Q", title="time of a call / ms", scale=log)
    points = pd.DataFrame(
        [
            {"curve": name, "url": values.get("url", ""), **_point(row)}
            for name, values in curves
            for row in values["sizes"]
        ]
    )
    base = alt.Chart(points)
    line = base.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour)
    quartiles = base.mark_rule(strokeWidth=4, opacity=0.3)
    marks = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("curve:N", title="curve"),
            alt.Tooltip("n_atoms:Q", title="atoms"),
            alt.Tooltip("median_ms:Q", title="median / ms", format=".4~g"),
            alt.Tooltip("q1_ms:Q", title="first quartile / ms", format=".4~g"),
            alt.Tooltip("q3_ms:Q", title="third quartile / ms", format=".4~g"),
            alt.Tooltip("n_calls:Q", title="timed calls"),
            alt.Tooltip("sandbox_ms:Q", title="of these, the sandbox / ms", format=".3~g"),
        ],
    )
    if (points["url"] != "").all():
        marks = marks.encode(href="url:N")
    chart = line + quartiles.encode(x=x, y="q1_ms:Q", y2="q3_ms", color=colour) + marks
    fits = [{"curve": name, **end} for name, values in curves for end in _fit(values)]
    if fits:
        dashed = alt.Chart(pd.DataFrame(fits)).mark_line(strokeDash=[5, 4], opacity=0.8)
        chart = chart + dashed.encode(x=x, y=y, color=colour)
    return finished(chart.properties(width=430, height=360), title, description)


def _point(row: Values) -> dict[str, Any]:
    names = ("n_atoms", "median_ms", "q1_ms", "q3_ms", "n_calls", "sandbox_ms")
    return {name: row.get(name) for name in names}


def _fit(values: Values) -> list[dict[str, float]]:
    """The ends of the power law; nothing where there was none, or one that cannot be drawn."""
    if values.get("scaling_exponent") is None:
        return []
    sizes = (values["scaling_smallest_n_atoms"], values["scaling_largest_n_atoms"])
    times = [_law_ms(values, n) for n in sizes]
    if not all(_SHORTEST_MS < time < _LONGEST_MS for time in times):
        return []
    return [{"n_atoms": n, "median_ms": time} for n, time in zip(sizes, times, strict=True)]


def _law_ms(values: Values, n_atoms: float) -> float:
    try:
        return float(values["scaling_prefactor_ms"] * n_atoms ** values["scaling_exponent"])
    except OverflowError:
        return math.inf


def _exponents(curves: Sequence[tuple[str, Values]]) -> str:
    known = [(n, v["scaling_exponent"]) for n, v in curves if v.get("scaling_exponent") is not None]
    return ", ".join(f"{_shown(n)} for {name}" for name, n in known) or "of none known"


def _shown(exponent: float) -> str:
    return f"{exponent:.2f}" if abs(exponent) < 100 else f"{exponent:.3g}"
