"""Scores on one task over scores on another, one point a potential."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from leaderboard.charts.base import COLOURS, Chart, finished
from leaderboard.charts.remembered import remembered


@remembered
def score_scatter(
    points: Sequence[tuple[str, float, float, str]], x_title: str, y_title: str, description: str
) -> Chart:
    """Points are (name, x, y, address), scores from 0 to 1; ``told`` is said below the chart."""
    if not points:
        raise ValueError("a scatter needs at least one point")
    rows = pd.DataFrame(points, columns=["name", "x", "y", "url"])
    scale = alt.Scale(domain=[0, 1])
    marks = (
        alt.Chart(rows)
        .mark_point(filled=True, size=70, opacity=0.85, color=COLOURS[0])
        .encode(
            x=alt.X("x:Q", title=f"score on {x_title}", scale=scale),
            y=alt.Y("y:Q", title=f"score on {y_title}", scale=scale),
            href="url:N",
            tooltip=[
                alt.Tooltip("name:N", title="potential"),
                alt.Tooltip("x:Q", title=x_title, format=".3f"),
                alt.Tooltip("y:Q", title=y_title, format=".3f"),
            ],
        )
    )
    return finished(
        marks.properties(width=400, height=400), f"{y_title} over {x_title}", description
    )
