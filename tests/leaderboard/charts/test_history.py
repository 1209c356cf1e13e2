"""The chart of ranks: steps that end where they end, the first rank on top."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from leaderboard.charts.history import Stretch, rank_chart

START = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path


def stretch(series: str, day: int, end: int, rank: int, **fields: Any) -> Stretch:
    return Stretch(
        **{
            "series": series, "start": START + timedelta(days=day),
            "end": START + timedelta(days=end), "rank": rank, "low": rank, "high": rank + 1,
            "n_ranked": 5, "overall": 0.5, "why": "entered", **fields,
        }
    )  # fmt: skip


def data(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return next(rows for rows in spec["datasets"].values() if "rank" in rows[0])


def test_unbroken_ranks_are_one_line_and_a_gap_is_a_gap() -> None:
    chart = rank_chart(
        [stretch("1.0", 0, 2, 1), stretch("1.0", 2, 3, 2), stretch("1.0", 5, 6, 2)], [], "Told."
    )
    points = [(row["at"][8:10], row["rank"], row["piece"]) for row in data(chart.spec)]
    assert points == [
        ("02", 1, 0), ("04", 2, 0), ("05", 2, 0), ("07", 2, 1), ("08", 2, 1),
    ]  # fmt: skip
    assert [row["is_change"] for row in data(chart.spec)] == [True, True, False, True, False]


@pytest.mark.slow
def test_it_is_drawn_with_the_first_rank_on_top_and_boards_marked() -> None:
    chart = rank_chart(
        [stretch("1.0", 0, 9, 3), stretch("<b>2.0</b>", 4, 9, 1)],
        [(START + timedelta(days=4), "board version 2")],
        "Told.",
    )
    assert chart.description == "Told."
    root = ElementTree.fromstring(chart.svg)
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert {"1", "2", "3", "4", "rank", "board version 2", "<b>2.0</b>"} <= set(texts)
    scales = [s for s in str(chart.spec).split("'scale'") if "'reverse': True" in s[:200]]
    assert scales


def test_more_versions_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 6"):
        rank_chart([stretch(f"{n}", 0, 1, n + 1) for n in range(7)], [], "")
