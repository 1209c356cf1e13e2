"""The periodic table has every element once, in its place, coloured by its number."""

from __future__ import annotations

import re

import pytest

from evaluator.catalog.elements import SYMBOLS
from leaderboard.charts.periodic import N_STEPS, periodic_table, places


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


def test_a_larger_error_is_darker_and_all_is_said_in_words() -> None:
    values = {"Fe": 0.5, "O": 0.05, "Li": 0.1, "Xx": 3.0, "Cu": float("nan")}
    table = periodic_table(values, label="force MAE", unit="eV/Å", digits=2)
    assert table is not None
    steps = dict(re.findall(r'<g class="(?:step-)?(\w+)"><title>(\w+):', table.svg))
    by_symbol = {symbol: step for step, symbol in steps.items()}
    assert (by_symbol["O"], by_symbol["Fe"]) == ("0", str(N_STEPS - 1))
    assert 0 < int(by_symbol["Li"]) < N_STEPS - 1
    assert table.listed == [("Fe", 0.5), ("Li", 0.1), ("O", 0.05)]
    assert "of 3 elements in eV/Å: the smallest 0.05 for O, the largest 0.50 for Fe" in table.svg
    assert "Cu: not measured" in table.svg
    assert table.svg.count("<g ") == 118


def test_one_element_that_is_exact_leaves_the_others_their_colours() -> None:
    table = periodic_table({"Hf": 0.0, "O": 0.1, "Fe": 1.0}, label="e", unit="", digits=1)
    assert table is not None
    assert len(table.legend) == 3


def test_equal_errors_and_none_at_all_are_no_trouble() -> None:
    assert periodic_table({"O": 0.1, "Fe": 0.1}, label="e", unit="", digits=1) is not None
    assert periodic_table({"O": 0.0}, label="e", unit="", digits=1) is not None
    assert periodic_table({}, label="e", unit="", digits=1) is None
