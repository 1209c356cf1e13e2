"""Charts: Altair specs from pandas frames, drawn on the server and again by Vega in the page."""

from leaderboard.charts.base import MAX_SERIES, Chart
from leaderboard.charts.parity import parity_chart

__all__ = ["MAX_SERIES", "Chart", "parity_chart"]
