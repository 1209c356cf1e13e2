"""Charts of molecular dynamics: survival, how trajectories ended, their course, their structure.

Times are in ps. A series is a potential's label with the summary of its evaluation; a system is the
name of a replica with the values of its record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.charts.base import (
    COLOURS,
    Chart,
    check_series,
    finished,
    potential_colour,
)

Values = Mapping[str, Any]
Series = Sequence[tuple[str, Values]]

#: Replicas whose course is drawn: those that failed first, then others.
_N_COURSES = 8
#: States whose g(r) is drawn.
_N_STATES = 18
_COMPLETED, _CENSORED = "completed", "broken off by the clock"
#: Quantities of a course: name in the record, axis.
_PANELS = (
    ("series_temperature_K", "temperature / K"),
    ("series_energy_meV_atom", "E_pot / meV/atom"),
    ("series_distance_ratio", "distance / Σr_cov"),
    ("series_pressure_GPa", "pressure / GPa"),
    ("series_volume_A3_atom", "V / Å³/atom"),
)


def evaluation_charts(label: str, summary: Values, systems: Series) -> list[Chart]:
    """Survival and ends of all replicas, the course of some, g(r) where it was compared.

    ``systems`` are (name, values, beside them the reference's as "reference") in the set's order.
    """
    drawn = (course_chart(label, systems), structure_chart(label, systems))
    return task_charts([(label, summary)]) + [chart for chart in drawn if chart is not None]


def task_charts(series: Series) -> list[Chart]:
    """Survival curves with their bands, and how the replicas ended."""
    check_series([label for label, _ in series])
    known = [(label, summary) for label, summary in series if summary.get("survival")]
    return [survival_chart(known), end_chart(known)] if known else []


def survival_chart(series: Series) -> Chart:
    """Kaplan-Meier curves with 95 % bands."""
    points = pd.DataFrame([row for label, summary in series for row in _steps(label, summary)])
    names = [label for label, _ in series]
    x = alt.X("time:Q", title="time / ps", scale=alt.Scale(nice=False))
    y_title = "share of trajectories still in physics"
    base = alt.Chart(points)
    band = base.mark_area(interpolate="step-after", opacity=0.14, line=False).encode(
        x=x,
        y=alt.Y("low:Q", title=y_title, scale=alt.Scale(domain=[0, 1])),
        y2="high:Q",
        color=potential_colour(names),
    )
    curve = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        x=x,
        y=alt.Y("survival:Q", title=y_title),
        color=potential_colour(names),
        tooltip=[
            alt.Tooltip("potential:N", title="potential"),
            alt.Tooltip("time:Q", title="time / ps", format=".3~g"),
            alt.Tooltip("survival:Q", title="survival", format=".3f"),
            alt.Tooltip("n_at_risk:Q", title="still watched"),
        ],
    )
    description = (
        "Kaplan-Meier survival: the share of trajectories that no physical failure has ended by a "
        "time. Shaded is the 95 % band, in which replicas of one structure count together; it "
        "ends where nobody survives. What the clock broke off counts up to then, and not as failed."
    )
    chart = (band + curve).properties(width=430, height=300)
    return finished(chart, "Survival of trajectories", description)


def _steps(label: str, summary: Values) -> list[dict[str, Any]]:
    """The curve's steps, and its end: a curve without failures is a line all the same."""
    rows = [
        {
            "potential": label,
            "time": float(row["time_ps"]),
            "survival": float(row["survival"]),
            "low": row["low"],
            "high": row["high"],
            "n_at_risk": row["n_at_risk"],
        }
        for row in summary["survival"]
    ]
    watched = float(summary.get("watched_until_ps", rows[-1]["time"]))
    if rows[-1]["survival"] == 0:
        watched = float(summary.get("duration_ps", watched))
    if watched > rows[-1]["time"]:
        rows.append({**rows[-1], "time": watched})
    return rows


def end_chart(series: Series) -> Chart:
    """Share of the replicas by how they ended."""
    rows = [
        {"potential": label, "end": end, "n": n}
        for label, summary in series
        for end, n in _ends(summary).items()
        if n
    ]
    counts = pd.DataFrame(rows)
    reasons = sorted(set(counts["end"]) - {_COMPLETED, _CENSORED})
    order = [_COMPLETED, *reasons, _CENSORED]
    palette = ("#d55e00", "#b06fc4", "#a8820f", "#00997a", "#c2416b", "#5b6ee1", "#8a5a44")
    colours = [COLOURS[0], *(palette[i % len(palette)] for i in range(len(reasons))), COLOURS[-1]]
    chart = (
        alt.Chart(counts)
        .mark_bar()
        .encode(
            x=alt.X(
                "n:Q", stack="normalize", title="share of trajectories", axis=alt.Axis(format=".0%")
            ),
            y=alt.Y(
                "potential:N",
                title=None,
                sort=[label for label, _ in series],
                axis=alt.Axis(labelLimit=150, minExtent=100),
            ),
            color=alt.Color(
                "end:N",
                title=None,
                scale=alt.Scale(domain=order, range=colours),
                legend=alt.Legend(orient="top", columns=2, labelLimit=200, symbolOpacity=1),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("end:N", title="end"),
                alt.Tooltip("n:Q", title="trajectories"),
            ],
        )
        .transform_calculate(rank=f"indexof({order!r}, datum.end)")
        .properties(width=430, height=130 + 34 * len(series))
    )
    description = (
        "How the trajectories ended: completed, outside physics, or broken off by the clock, which "
        "is not a failure. Of those that left physics the colour tells what was seen first: a "
        "description that depends on the time step. The time they took is what is measured."
    )
    return finished(chart, "How trajectories ended", description)


def _ends(summary: Values) -> dict[str, int]:
    return {
        _COMPLETED: summary["n_completed"],
        **summary["n_by_reason"],
        _CENSORED: summary["n_censored"],
    }


def course_chart(label: str, systems: Series) -> Chart | None:
    """Temperature, potential energy, least distance, pressure and volume of some replicas."""
    known = [(name, values) for name, values in systems if values.get("series_time_ps")]
    if not known:
        return None
    chosen = sorted(known, key=_failed_first)[:_N_COURSES]
    points = pd.DataFrame([row for name, values in chosen for row in _course(name, values)])
    present = [(name, title) for name, title in _PANELS if points[name].notna().any()]
    panels = [
        _panel(points, name, title, is_last=name == present[-1][0]) for name, title in present
    ]
    n_more = len(known) - len(chosen)
    more = f"; {n_more} more stand in the records" if n_more else ""
    description = (
        f"The course of {len(chosen)} trajectories of {label}, those that failed earliest first"
        f"{more}. E_pot is relative to the start, a distance is the least of all over the sum of "
        "the covalent radii. Orange ones end in a failure, at the cross; what lies beyond the "
        "frame is drawn on its edge."
    )
    chart = alt.vconcat(*panels, spacing=6)
    return finished(chart, "Course of trajectories", description)


def _failed_first(system: tuple[str, Values]) -> tuple[bool, float, str]:
    name, values = system
    return values["end"] != "failed", float(values["survived_ps"]), name


def _course(name: str, values: Values) -> list[dict[str, Any]]:
    end = "failed" if values["end"] == "failed" else "survived"
    times = values["series_time_ps"]
    return [
        {
            "system": name,
            "end": end,
            "reason": values["failure_reason"],
            "url": values.get("url", ""),
            "time": time,
            "is_failure": end == "failed" and i == len(times) - 1,
            **{panel: _at(values.get(panel), i) for panel, _ in _PANELS},
        }
        for i, time in enumerate(times)
    ]


def _at(series: Sequence[float | None] | None, index: int) -> float | None:
    return None if series is None else series[index]


def _panel(points: pd.DataFrame, name: str, title: str, *, is_last: bool) -> alt.LayerChart:
    axis = alt.Axis() if is_last else alt.Axis(labels=False, title=None, ticks=False)
    x = alt.X("time:Q", title="time / ps" if is_last else None, axis=axis)
    # A failure may lie far off: the scale is that of what went before.
    calm = points.loc[~points["is_failure"], name].dropna()
    domain = [float(calm.min()), float(calm.max())] if len(calm) else [0.0, 1.0]
    if domain[0] == domain[1]:
        domain = [domain[0] - 0.5, domain[1] + 0.5]
    y = alt.Y(f"{name}:Q", title=title, scale=alt.Scale(domain=domain, clamp=True, nice=True))
    colour = alt.Color(
        "end:N",
        title=None,
        scale=alt.Scale(domain=["survived", "failed"], range=[COLOURS[0], COLOURS[1]]),
        legend=None,
    )
    tooltip = [
        alt.Tooltip("system:N", title="trajectory"),
        alt.Tooltip("time:Q", title="time / ps", format=".3~g"),
        alt.Tooltip(f"{name}:Q", title=title, format=".4~g"),
        alt.Tooltip("reason:N", title="failure"),
    ]
    base = alt.Chart(points).encode(x=x, y=y, color=colour, tooltip=tooltip)
    if (points["url"] != "").all():
        base = base.encode(href="url:N")
    layers = [base.mark_line(strokeWidth=1.2, opacity=0.75).encode(detail="system:N")]
    # A layer that draws nothing has nothing to tell a screen reader.
    if points.loc[points["is_failure"], name].notna().any():
        crosses = base.mark_point(shape="cross", size=60, filled=True, angle=45, opacity=1)
        layers.append(crosses.transform_filter("datum.is_failure"))
    panel: alt.LayerChart = alt.LayerChart(layer=layers).properties(width=400, height=105)
    return panel


def structure_chart(label: str, systems: Series) -> Chart | None:
    """g(r) of the potential beside the reference's, a panel for each state."""
    panels: dict[str, tuple[str, Values]] = {}
    for name, values in systems:
        state = name.rpartition("-seed")[0] or name
        if values.get("rdf") and (values.get("reference") or {}).get("rdf"):
            panels.setdefault(state, (state, values))
    if not panels:
        return None
    chosen = list(panels.values())[:_N_STATES]
    points = pd.DataFrame([row for state, values in chosen for row in _rdf(label, state, values)])
    legend = alt.Legend(orient="top", labelLimit=320)
    chart = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.4)
        .encode(
            x=alt.X("r:Q", title="r / Å", axis=alt.Axis(tickCount=4)),
            y=alt.Y("g:Q", title="g(r)", axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "of:N",
                title=None,
                scale=alt.Scale(domain=["reference", label], range=["#7a7f87", COLOURS[1]]),
                legend=legend,
            ),
            strokeDash=alt.StrokeDash(
                "of:N",
                title=None,
                scale=alt.Scale(domain=["reference", label], range=[[4, 3], [1, 0]]),
                legend=legend,
            ),
        )
        .properties(width=120, height=90)
        .facet(
            facet=alt.Facet(
                "state:N",
                title=None,
                sort=[state for state, _ in chosen],
                header=alt.Header(labelColor="currentColor"),
            ),
            columns=3,
        )
        .resolve_scale(y="independent", x="independent")
    )
    description = (
        f"Radial distribution function of {label} and of the reference, whose snapshots are few: "
        "its ripples of a few percent are noise."
    )
    return finished(chart, "Structure at temperature", description)


def _rdf(label: str, state: str, values: Values) -> list[dict[str, Any]]:
    simulated, reference = values["rdf"], values["reference"]["rdf"]
    width = float(values["rdf_max_A"]) / len(simulated)
    return [
        {"state": state, "of": of, "r": round((i + 0.5) * width, 3), "g": g}
        for of, series in (("reference", reference), (label, simulated))
        for i, g in enumerate(series)
    ]
