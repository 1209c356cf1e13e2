"""Charts of the places that a potential's versions had on a board over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import altair as alt
import pandas as pd

from leaderboard.charts.base import Chart, check_series, finished, potential_colour

#: Up to so many ranks have each a tick.
_ALL = 12


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A rank that lasted from one moment to another."""

    #: Version of the potential.
    series: str
    start: datetime
    end: datetime
    rank: int
    low: int
    high: int
    n_ranked: int
    overall: float | None
    why: str


def rank_chart(
    stretches: Sequence[Stretch], boards: Sequence[tuple[datetime, str]], description: str
) -> Chart:
    """Steps with their intervals, the first rank on top; ``boards`` are published at those times.

    Stretches come by series and time, at least one.
    """
    series = list(dict.fromkeys(stretch.series for stretch in stretches))
    check_series(series)
    rows = pd.DataFrame(_points(stretches))
    lowest, highest = int(rows["low"].min()), int(rows["high"].max())
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"))
    scale = alt.Scale(reverse=True, domain=[lowest - 0.5, highest + 0.5], nice=False)
    ranks = range(lowest, highest + 1)
    axis = alt.Axis(format="d", tickMinStep=1)
    if len(ranks) <= _ALL:
        axis = alt.Axis(format="d", values=list(ranks))
    y = alt.Y("rank:Q", title="rank", scale=scale, axis=axis)
    base = alt.Chart(rows).encode(x=x, color=potential_colour(series), detail="piece:N")
    band = base.mark_area(interpolate="step-after", opacity=0.2).encode(
        y=alt.Y("low:Q", title="rank", scale=scale), y2="high"
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(y=y)
    marks = (
        base.transform_filter("datum.is_change")
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=y,
            tooltip=[
                alt.Tooltip("potential:N", title="version"),
                alt.Tooltip("at:T", title="since", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("rank:Q", title="rank"),
                alt.Tooltip("low:Q", title="95 % interval from"),
                alt.Tooltip("high:Q", title="to"),
                alt.Tooltip("n_ranked:Q", title="of"),
                alt.Tooltip("overall:Q", title="score", format=".3f"),
                alt.Tooltip("why:N", title="why"),
            ],
        )
    )
    chart = band + line + marks
    if boards:
        middle = stretches[0].start + (max(s.end for s in stretches) - stretches[0].start) / 2
        for side in (True, False):
            if shown := [(at, name) for at, name in boards if (at < middle) == side]:
                chart = chart + _published(shown, x, is_left=side)
    return finished(chart.properties(width=560, height=260), "Rank over time", description)


def _points(stretches: Sequence[Stretch]) -> list[dict[str, object]]:
    """Points of each unbroken piece: where it changes, and its end."""
    points: list[dict[str, object]] = []
    piece = 0
    for n, stretch in enumerate(stretches):
        points.append(_point(stretch, stretch.start, piece, is_change=True))
        after = stretches[n + 1] if n + 1 < len(stretches) else None
        if after is None or (after.series, after.start) != (stretch.series, stretch.end):
            points.append(_point(stretch, stretch.end, piece, is_change=False))
            piece += 1
    return points


def _point(stretch: Stretch, at: datetime, piece: int, *, is_change: bool) -> dict[str, object]:
    return {
        "potential": stretch.series,
        "at": at.isoformat(),
        "piece": piece,
        "is_change": is_change,
        "rank": stretch.rank,
        "low": stretch.low,
        "high": stretch.high,
        "n_ranked": stretch.n_ranked,
        "overall": stretch.overall,
        "why": stretch.why,
    }


def _published(
    boards: Sequence[tuple[datetime, str]], x: alt.X, *, is_left: bool
) -> alt.LayerChart:
    """Lines across, with a name on the side where there is room."""
    rows = pd.DataFrame([{"at": at.isoformat(), "board": name} for at, name in boards])
    base = alt.Chart(rows).encode(x=x)
    rule = base.mark_rule(strokeDash=[4, 4], color="currentColor", opacity=0.6)
    name = base.mark_text(
        align="left" if is_left else "right",
        dx=5 if is_left else -5,
        dy=10,
        color="currentColor",
        fontSize=12,
    )
    markers: alt.LayerChart = rule + name.encode(y=alt.value(0), text="board:N")
    return markers
