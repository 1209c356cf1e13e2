"""Differences of parity: predicted less reference, for several potentials on the same systems."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from evaluator.catalog import Column
from leaderboard.charts.base import SHAPES, Chart, check_series, finished, potential_colour
from leaderboard.charts.remembered import remembered

#: The vertical axis spans this share of the points; what lies beyond stands on the edge.
_SHOWN = 0.98
_LOG_FACTOR = 30.0


@remembered
def residual_chart(points: pd.DataFrame, column: Column, series: Sequence[str]) -> Chart:
    """Error over reference, one point a system and potential; zero is exact.

    ``points`` has the columns ``potential``, ``system``, ``predicted``, ``reference`` and ``url``,
    finite numbers in the unit of ``column``; ``series`` gives the order of colours.
    """
    check_series(series)
    if points.empty:
        raise ValueError("a chart of differences needs at least one point")
    unit = f" / {column.unit}" if column.unit else ""
    rows = points.assign(error=points["predicted"] - points["reference"])
    limit = float(rows["error"].abs().quantile(_SHOWN)) * 1.1 or 1.0
    low, high = float(rows["reference"].min()), float(rows["reference"].max())
    is_log = low > 0 and high / low > _LOG_FACTOR
    scale = alt.Scale(type="log" if is_log else "linear", zero=False, nice=False, padding=12)
    marks = (
        alt.Chart(rows)
        .mark_point(filled=True, size=42, opacity=0.75)
        .encode(
            x=alt.X("reference:Q", title=f"reference {column.label}{unit}", scale=scale),
            y=alt.Y(
                "error:Q",
                title=f"predicted − reference{unit}",
                scale=alt.Scale(domain=[-limit, limit], clamp=True),
            ),
            color=potential_colour(series),
            shape=alt.Shape(
                "potential:N",
                title=None,
                scale=alt.Scale(domain=list(series), range=list(SHAPES[: len(series)])),
            ),
            href="url:N",
            tooltip=[
                alt.Tooltip("system:N", title="system"),
                alt.Tooltip("potential:N", title="potential"),
                alt.Tooltip("reference:Q", title=f"reference{unit}", format=".4~g"),
                alt.Tooltip("error:Q", title=f"error{unit}", format="+.3~g"),
            ],
        )
    )
    zero = alt.Chart(pd.DataFrame({"error": [0.0]})).mark_rule(
        color="currentColor", opacity=0.45, strokeDash=[4, 4]
    )
    means = rows.groupby("potential")["error"].agg(["mean", lambda e: e.abs().mean()])
    stated = "; ".join(
        f"{name}: mean {means.loc[name].iloc[0]:+.3g}, mean absolute {means.loc[name].iloc[1]:.3g}"
        for name in series
    )
    return finished(
        (zero.encode(y="error:Q") + marks).properties(width=560, height=340),
        f"Error of {column.label} over its reference",
        f"The same {rows['system'].nunique()} systems for all. On the dashed line a potential is "
        f"exact. {stated}{f' {column.unit}' if column.unit else ''}. Points beyond the frame stand "
        "on its edge.",
    )
