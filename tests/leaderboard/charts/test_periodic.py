"""The periodic table has every element once, in its place, coloured by its skill."""

from __future__ import annotations

import re

import pytest

from evaluator.catalog.elements import SYMBOLS
from leaderboard.charts.periodic import N_STEPS, ElementCell, periodic_table, places


def test_every_element_has_a_place_of_its_own() -> None:
    found = places()
    assert list(found) == list(SYMBOLS)
    assert len(set(found.values())) == 118


@pytest.mark.parametrize(
    ("symbol", "place"),
    [("H", (1, 1)), ("He", (1, 18)), ("Al", (3, 13)), ("Zn", (4, 12)), ("Ba", (6, 2)),
     ("Hf", (6, 4)), ("Og", (7, 18)), ("La", (9, 4)), ("Lu", (9, 18)), ("U", (10, 7))],
)  # fmt: skip
def test_places_are_those_of_the_periods_and_groups(symbol: str, place: tuple[int, int]) -> None:
    assert places()[symbol] == place


def test_a_larger_skill_is_fuller_and_all_is_said_in_words() -> None:
    cells = [
        ElementCell("Fe", 1.0, "on 9 systems, <b>", False),
        ElementCell("O", 0.0, "on 1 system", True),
        ElementCell("Li", 0.5, "on 8 systems", False),
        ElementCell("Xx", 0.9, "", False),
    ]
    table = periodic_table(cells, label="Mean skill")
    assert table is not None
    kinds = {s: kind for kind, s in re.findall(r'<g class="([^"]*)"><title>(\w+):', table.svg)}
    assert (kinds["O"], kinds["Fe"]) == ("step-0 few", f"step-{N_STEPS - 1}")
    assert kinds["Li"] == f"step-{N_STEPS // 2}"
    assert (
        "Mean skill of 3 elements, from 0 to 1: the smallest 0.00 for O, the largest" in table.svg
    )
    assert "Fe: 1.00 on 9 systems, &lt;b&gt;" in table.svg
    assert "Cu: not tested" in table.svg
    assert table.svg.count("<g ") == 118
    assert (table.n_elements, table.n_few) == (3, 1)
    assert [step for step, _, _ in table.legend] == [0, N_STEPS // 2, N_STEPS - 1]


def test_no_element_at_all_is_no_table() -> None:
    assert periodic_table([], label="e") is None
    assert periodic_table([ElementCell("Xx", 0.5, "", False)], label="e") is None
