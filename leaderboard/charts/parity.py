"""Predicted against reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import altair as alt
import pandas as pd

from evaluator.catalog import Column
from leaderboard.charts.base import (
    SHAPES,
    Chart,
    check_series,
    finished,
    potential_colour,
)
from leaderboard.lib.json_values import is_number
from leaderboard.services.evaluations.records import Answer

#: A reference that spans more than this factor is drawn on logarithmic axes.
_LOG_FACTOR = 30.0


def points_of(
    answers: Iterable[Answer],
    column: Column,
    names: Mapping[UUID, str],
    address: Callable[[UUID, str], str],
) -> pd.DataFrame:
    """What a parity chart takes, of the systems that have a number on both sides.

    ``names`` are the potentials by evaluation; ``address`` leads from an evaluation and a system to
    the page behind its point.
    """
    rows = [
        (names[pk], system, values[column.name], reference[column.name], address(pk, system))
        for pk, _, system, values, reference in answers
        if is_number(values.get(column.name)) and is_number(reference.get(column.name))
    ]
    return pd.DataFrame(rows, columns=["potential", "system", "predicted", "reference", "url"])


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
    check_series(series)
    if points.empty:
        raise ValueError("a parity chart needs at least one point")
    unit = f" / {column.unit}" if column.unit else ""
    scale = _shared_scale(points["reference"])
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
            color=potential_colour(series),
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
    chart = (diagonal + marks).properties(width=430, height=430)
    return finished(chart, title, description)


def _shared_scale(reference: pd.Series[float]) -> alt.Scale:
    """One scale for both axes, a little wider than the reference; the rest is clamped."""
    low, high = float(reference.min()), float(reference.max())
    if low > 0 and high / low > _LOG_FACTOR:
        return alt.Scale(type="log", domain=[low / 1.6, high * 1.6], clamp=True, nice=False)
    margin = 0.08 * (high - low) or abs(high) or 1.0
    return alt.Scale(domain=[low - margin, high + margin], clamp=True, zero=False, nice=False)
