"""Accuracy against time: what each potential costs and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from leaderboard.charts.base import COLOURS, Chart, finished
from leaderboard.charts.remembered import remembered

_FEW, _NAMED = 6, 8


@dataclass(frozen=True, kw_only=True)
class ParetoPoint:
    name: str
    cost: float
    score: float
    low: float | None
    high: float | None
    is_on_front: bool
    url: str


@remembered
def pareto_chart(points: Sequence[ParetoPoint], cost_title: str, title: str) -> Chart | None:
    """Scores over a cost on a logarithmic axis, the front joined by a line; None without points.

    Names stand beside all of a few points, else beside those of the front, at most eight; the
    others have theirs as tooltips.
    """
    if not points:
        return None
    rows = pd.DataFrame([vars(point) for point in points])
    front = rows[rows["is_on_front"]].sort_values("cost")
    low, high = float(rows["cost"].min()), float(rows["cost"].max())
    # Room for names at the right.
    domain = [low / 1.8, high * max(3.0, (high / low) ** 0.35)]
    x = alt.X(
        "cost:Q",
        title=cost_title,
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(format="~g", labelOverlap=True),
    )
    y = alt.Y("score:Q", title="overall score", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(rows)
    intervals = (
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=3, opacity=0.3, color=COLOURS[0])
        .encode(x=x, y=alt.Y("low:Q", title="overall score"), y2="high:Q")
    )
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=x,
        y=y,
        color=alt.condition("datum.is_on_front", alt.value(COLOURS[1]), alt.value(COLOURS[0])),
        shape=alt.condition("datum.is_on_front", alt.value("diamond"), alt.value("circle")),
        href="url:N",
        tooltip=[
            alt.Tooltip("name:N", title="potential"),
            alt.Tooltip("cost:Q", title=cost_title, format=".3~g"),
            alt.Tooltip("score:Q", title="overall score", format=".3f"),
        ],
    )
    line = (
        alt.Chart(front)
        .mark_line(interpolate="step-after", strokeDash=[5, 4], color=COLOURS[1], strokeWidth=1.5)
        .encode(x=x, y=y)
    )
    named = rows.sort_values("cost") if len(rows) <= _FEW else front.tail(_NAMED)
    # Above and below in turns: neighbours would stand on each other.
    names = alt.layer(
        *(
            alt.Chart(part)
            .mark_text(align="left", dx=8, dy=dy, fontSize=12, color="currentColor", limit=150)
            .encode(x=x, y=y, text="name:N")
            for part, dy in ((named[::2], -9), (named[1::2], 12))
            if not part.empty
        )
    )
    description = ", ".join(
        f"{n} ({s:.2f})" for n, s in zip(front["name"], front["score"], strict=True)
    )
    return finished(
        (line + intervals + marks + names).properties(width=520, height=320),
        title,
        f"Overall score over {cost_title}. Diamonds are the Pareto front, where nothing else is "
        f"both faster and better: {description}. Bars are 95 % intervals.",
    )
