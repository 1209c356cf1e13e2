"""A summary on a page: every entry once, in the form that suits its shape."""

from __future__ import annotations

from leaderboard.web.boards.summaries import MAX_ROWS, Table, summary_parts


def test_entries_are_sorted_by_their_shape() -> None:
    parts = summary_parts(
        "phonons",
        {
            "n_changed": 2,
            "softening": {"slope": 0.8},
            "stability": [{"tolerance_THz": 0.1, "accuracy": 1.0}, {"tolerance_THz": 0.2}],
            "by_family": {"bulk": {"n": 3}, "slab": {"n": 4}},
            "curve": [1.0, 2.0],
        },
    )
    assert parts.facts == {"n_changed": 2, "curve": [1.0, 2.0]}
    assert parts.groups == {"softening": {"slope": 0.8}}
    assert parts.tables == [
        Table(
            name="stability", columns=["tolerance_THz", "accuracy"], rows=[[0.1, 1.0], [0.2, None]]
        ),
        Table(name="by_family", columns=["of", "n"], rows=[["bulk", 3], ["slab", 4]]),
    ]


def test_table_within_a_group_stands_beside_it() -> None:
    parts = summary_parts("x", {"softening": {"mean": 1.0, "materials": [{"m": "Si"}]}})
    assert parts.groups == {"softening": {"mean": 1.0}}
    assert [(t.name, t.rows) for t in parts.tables] == [("softening: materials", [["Si"]])]


def test_long_table_is_cut_and_says_so() -> None:
    (table,) = summary_parts("x", {"rows": [{"n": n} for n in range(MAX_ROWS + 5)]}).tables
    assert (len(table.rows), table.n_left_out) == (MAX_ROWS, 5)


def test_what_a_chart_shows_in_full_is_left_to_it() -> None:
    parts = summary_parts("energy_forces", {"force_parity": {"n_cells": 48}, "dummy": {"a": 1}})
    assert parts.groups == {"dummy": {"a": 1}}
