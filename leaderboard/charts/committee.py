"""Charts of what the disagreement of potentials tells of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from evaluator.committee import COVERAGES
from leaderboard.charts.base import SHAPES, Chart, check_series, finished, potential_colour


@dataclass(frozen=True, kw_only=True)
class Curve:
    label: str
    #: RMSE of the surest 10, 20, ... 100 %.
    risk: Sequence[float]


def risk_chart(curves: Sequence[Curve], quantity: str, unit: str) -> Chart:
    """RMSE over the share of the frames that is kept, the surest first; at least one curve."""
    names = [curve.label for curve in curves]
    check_series(names)
    points = pd.DataFrame(
        [
            {"potential": curve.label, "share": round(100 * share), "rmse": rmse}
            for curve in curves
            for share, rmse in zip(COVERAGES, curve.risk, strict=True)
        ]
    )
    base = alt.Chart(points).encode(
        x=alt.X("share:Q", title="frames kept, the surest first / %", scale=alt.Scale(nice=False)),
        y=alt.Y("rmse:Q", title=f"RMSE of their {quantity} / {unit}", scale=alt.Scale(zero=True)),
        color=potential_colour(names),
    )
    marks = base.mark_point(filled=True, size=45, opacity=1).encode(
        shape=alt.Shape(
            "potential:N",
            title=None,
            scale=alt.Scale(domain=names, range=list(SHAPES[: len(names)])),
        ),
        tooltip=[
            alt.Tooltip("potential:N", title="potential"),
            alt.Tooltip("share:Q", title="kept / %"),
            alt.Tooltip("rmse:Q", title=f"RMSE / {unit}", format=".3~g"),
        ],
    )
    chart = (base.mark_line(strokeWidth=2) + marks).properties(width=430, height=300)
    description = (
        f"Error of the {quantity} where only the frames are kept on which a potential lies nearest "
        "to what the others agree upon. The steeper a curve rises, the more their disagreement "
        "tells; a flat one would tell nothing."
    )
    return finished(chart, "Error kept when the surest are kept", description)
