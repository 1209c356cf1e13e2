"""Charts of one system under several potentials: equation of state, trajectory, phonons, errors.

A row is a potential's label with the values of its record; the reference's values stand apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from evaluator.catalog import EV_PER_A3_IN_GPA
from leaderboard.charts import efficiency, phonons
from leaderboard.charts.base import COLOURS, Chart, check_series, finished, potential_colour

Values = Mapping[str, Any]
Rows = Sequence[tuple[str, Values]]

_REFERENCE = "reference"
#: Bands take much room: so many potentials have them drawn.
_MAX_BANDS = 3
#: Quantities of a course: name in the record, axis.
_COURSE = (
    ("series_temperature_K", "temperature / K"),
    ("series_energy_meV_atom", "E_pot / meV/atom"),
    ("series_distance_ratio", "distance / Σr_cov"),
)
_CURVE = ("volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative")


def system_charts(protocol: str, name: str, rows: Rows, reference: Values) -> list[Chart]:
    """What a protocol draws of one system; a chart without data is left out."""
    check_series([label for label, _ in rows])
    draw = _CHARTS.get(protocol)
    return draw(name, rows, reference) if draw and rows else []


def curve_chart(name: str, rows: Rows, reference: Values) -> list[Chart]:
    """Energy against volume, each from its own minimum; dashed is the reference's."""
    known = [(label, values) for label, values in rows if values.get("curve_volumes_A3")]
    if not known:
        return []
    points = [
        {"potential": label, "volume": volume, "energy": energy}
        for label, values in known
        for volume, energy in zip(
            values["curve_volumes_A3"], values["curve_energies_meV"], strict=True
        )
    ]
    base = alt.Chart(pd.DataFrame(points))
    x = alt.X("volume:Q", title="volume / Å³/atom", scale=alt.Scale(zero=False))
    y = alt.Y("energy:Q", title="energy above the minimum / meV/atom")
    colour = potential_colour([label for label, _ in known])
    lines = base.mark_line(strokeWidth=1.6, interpolate="monotone").encode(x=x, y=y, color=colour)
    marks = base.mark_point(filled=True, size=40, opacity=1).encode(
        x=x, y=y, color=colour,
        tooltip=[
            alt.Tooltip("potential:N", title="potential"),
            alt.Tooltip("volume:Q", title="volume / Å³/atom", format=".4~f"),
            alt.Tooltip("energy:Q", title="energy / meV/atom", format=".3~f"),
        ],
    )  # fmt: skip
    layers = lines + marks
    if all(reference.get(key) for key in _CURVE):
        span = [point["volume"] for point in points]
        theirs = pd.DataFrame(_birch_murnaghan(reference, min(span), max(span)))
        dashed = alt.Chart(theirs).mark_line(color="currentColor", strokeDash=[5, 4], opacity=0.7)
        layers = layers + dashed.encode(x=x, y=y)
    description = (
        "Energy against volume, from each potential's own minimum; the points are what was "
        "computed. The dashed line is the reference's Birch-Murnaghan equation of state."
    )
    chart = layers.properties(width=430, height=330)
    return [finished(chart, f"Equation of state of {name}", description)]


def _birch_murnaghan(reference: Values, low: float, high: float) -> list[dict[str, float]]:
    """Third order, Birch, Phys. Rev. 71, 809 (1947), doi:10.1103/PhysRev.71.809."""
    v0, b0, b1 = (float(reference[key]) for key in _CURVE)
    low, high = min(low, 0.94 * v0), max(high, 1.06 * v0)
    rows = []
    for i in range(41):
        volume = low + (high - low) * i / 40
        x = (v0 / volume) ** (2 / 3)
        strain = (x - 1) ** 3 * b1 + (x - 1) ** 2 * (6 - 4 * x)
        rows.append(
            {"volume": volume, "energy": 1000 * 9 / 16 * v0 * b0 / EV_PER_A3_IN_GPA * strain}
        )
    return rows


def course_chart(name: str, rows: Rows, _reference: Values) -> list[Chart]:
    """Temperature, potential energy and least distance over time; a cross where physics failed."""
    known = [(label, values) for label, values in rows if values.get("series_time_ps")]
    if not known:
        return []
    points = pd.DataFrame([row for label, values in known for row in _steps(label, values)])
    present = [(key, title) for key, title in _COURSE if points[key].notna().any()]
    labels = [label for label, _ in known]
    panels = [
        _panel(points, quantity, labels, is_last=i == len(present) - 1)
        for i, quantity in enumerate(present)
    ]
    description = (
        f"The course of {name} with each potential. A line that ends at a cross ended in a failure "
        "of physics; what lies beyond the frame is drawn on its edge."
    )
    chart = alt.vconcat(*panels, spacing=6)
    return [finished(chart, f"Course of {name}", description)]


def _steps(label: str, values: Values) -> list[dict[str, Any]]:
    times = values["series_time_ps"]
    failed = values.get("end") == "failed"
    return [
        {
            "potential": label,
            "time": time,
            "reason": values.get("failure_reason", ""),
            "is_failure": failed and i == len(times) - 1,
            **{key: (values.get(key) or [None] * len(times))[i] for key, _ in _COURSE},
        }
        for i, time in enumerate(times)
    ]


def _panel(
    points: pd.DataFrame,
    quantity: tuple[str, str],
    labels: Sequence[str],
    *,
    is_last: bool,
) -> alt.LayerChart:
    key, title = quantity
    axis = alt.Axis() if is_last else alt.Axis(labels=False, title=None, ticks=False)
    calm = points.loc[~points["is_failure"], key].dropna()
    low, high = (float(calm.min()), float(calm.max())) if len(calm) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    base = alt.Chart(points).encode(
        x=alt.X("time:Q", title="time / ps" if is_last else None, axis=axis),
        y=alt.Y(
            f"{key}:Q", title=title, scale=alt.Scale(domain=[low, high], clamp=True, nice=True)
        ),
        color=potential_colour(labels),
        tooltip=[
            alt.Tooltip("potential:N", title="potential"),
            alt.Tooltip("time:Q", title="time / ps", format=".3~g"),
            alt.Tooltip(f"{key}:Q", title=title, format=".4~g"),
            alt.Tooltip("reason:N", title="failure"),
        ],
    )
    layers = [base.mark_line(strokeWidth=1.4, opacity=0.85)]
    # A layer that draws nothing makes Vega complain, and has nothing to tell a screen reader.
    if points.loc[points["is_failure"], key].notna().any():
        crosses = base.mark_point(shape="cross", size=80, filled=True, angle=45, opacity=1)
        layers.append(crosses.transform_filter("datum.is_failure"))
    panel: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=400, height=120)
    return panel


def phonon_charts(name: str, rows: Rows, reference: Values) -> list[Chart]:
    """Densities of states together, then bands of the first few potentials."""
    known = [(label, values) for label, values in rows if values.get("dos")]
    if not known:
        return []
    curves = [(label, values["dos"]) for label, values in known]
    if reference.get("dos"):
        curves.append((_REFERENCE, reference["dos"]))
    banded = [(label, values) for label, values in known if values.get("bands")]
    bands = [
        phonons.band_chart(label, name, {**values, "reference": reference}, with_label=True)
        for label, values in banded[:_MAX_BANDS]
    ]
    return [_density_chart(name, curves), *bands]


def _density_chart(name: str, curves: Sequence[tuple[str, Values]]) -> Chart:
    points = pd.DataFrame(
        [
            {"potential": label, "frequency": frequency, "states": states}
            for label, curve in curves
            for frequency, states in zip(
                curve["frequency_THz"], curve["states_per_THz_atom"], strict=True
            )
        ]
    )
    labels = [label for label, _ in curves]
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    if _REFERENCE in colours:
        colours[_REFERENCE] = "currentColor"
    # The same legend for both, so that they become one.
    legend = alt.Legend(orient="top", columns=1, labelLimit=420)
    colour = alt.Color(
        "potential:N",
        title=None,
        scale=alt.Scale(domain=labels, range=list(colours.values())),
        legend=legend,
    )
    dash = alt.StrokeDash(
        "potential:N",
        title=None,
        scale=alt.Scale(
            domain=labels, range=[[5, 4] if x == _REFERENCE else [1, 0] for x in labels]
        ),
        legend=legend,
    )
    chart = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("frequency:Q", title="frequency / THz"),
            y=alt.Y("states:Q", title="states / THz atom"),
            color=colour,
            strokeDash=dash,
        )
        .properties(width=430, height=300)
    )
    description = (
        f"Phonon density of states of {name}; the reference's is dashed. Below zero frequencies "
        "are imaginary."
    )
    return finished(chart, f"Phonon density of states of {name}", description)


def time_charts(name: str, rows: Rows, _reference: Values) -> list[Chart]:
    """Time of a call against the number of atoms."""
    return efficiency.task_charts([(label, {}, [(name, values)]) for label, values in rows])


def error_chart(key: str, title: str) -> Callable[[str, Rows, Values], list[Chart]]:
    """Bars of one error, the smallest first."""

    def draw(name: str, rows: Rows, _reference: Values) -> list[Chart]:
        layers = [
            {"potential": label, "error": float(values[key])}
            for label, values in rows
            if isinstance(values.get(key), int | float)
        ]
        if len(layers) < 2:
            return []
        chart = (
            alt.Chart(pd.DataFrame(layers))
            .mark_bar(color=COLOURS[0], height=16)
            .encode(
                x=alt.X("error:Q", title=title),
                y=alt.Y(
                    "potential:N",
                    title=None,
                    sort=alt.EncodingSortField(field="error", order="ascending"),
                    axis=alt.Axis(labelLimit=180),
                ),
                tooltip=[
                    alt.Tooltip("potential:N", title="potential"),
                    alt.Tooltip("error:Q", title=title, format=".4~g"),
                ],
            )
            .properties(width=430, height=70 + 28 * len(layers))
        )
        description = f"{title} on {name}; a shorter bar is better."
        return [finished(chart, f"Errors on {name}", description)]

    return draw


_CHARTS: dict[str, Callable[[str, Rows, Values], list[Chart]]] = {
    "equation_of_state": curve_chart,
    "energy_forces": error_chart("force_mae_eV_A", "force MAE / eV/Å"),
    "rare_event_forces": error_chart("magnitude_error_eV_A", "force length error / eV/Å"),
    "md_stability": course_chart,
    "phonons": phonon_charts,
    "efficiency": time_charts,
}
