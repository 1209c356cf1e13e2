"""How numbers look."""

from __future__ import annotations

import math

import pytest

from leaderboard.web import numbers
from leaderboard.web.estimates import signed


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (None, 3, "–"),
        (1.23456, 2, "1.23"),
        (-1.5, 1, "−1.5"),
        (0.0, 2, "0.00"),
        (0.00012, 2, "1.20e-04"),
        (2.5e7, 2, "2.50e+07"),
        (math.nan, 2, "not finite"),
        (12345, 2, "12\u202f345"),
        (True, 2, "yes"),
        ("Si", 2, "Si"),
    ],
)
def test_number(value: object, digits: int, expected: str) -> None:
    assert numbers.number(value, digits) == expected


def test_percent_never_rounds_to_all_or_nothing() -> None:
    shares = (None, 0.0, 0.001, 0.5, 0.999, 1.0)
    assert [numbers.percent(s) for s in shares] == ["–", "0 %", "< 1 %", "50 %", "> 99 %", "100 %"]


def test_count_and_heat() -> None:
    assert [numbers.count(n) for n in (None, 12, 412525, 33_000_000)] == [
        "–",
        "12",
        "412.5 k",
        "33 M",
    ]
    assert [numbers.heat(s) for s in (None, math.nan, -1.0, 0.0, 0.44, 1.0)] == [
        "",
        "",
        "heat-0",
        "heat-0",
        "heat-4",
        "heat-10",
    ]


def test_an_interval_bar_tells_its_numbers_to_those_who_cannot_see_it() -> None:
    bar = numbers.interval_bar(0.5, 0.4, 0.6)
    assert 'aria-label="0.500, 95 % interval 0.400 to 0.600"' in bar
    assert 'x1="42.0" x2="62.0"' in bar
    assert numbers.interval_bar(None, None, None) == ""


def test_names_with_units_become_words() -> None:
    assert numbers.unit_name("wall_time_s") == "wall time / s"
    assert numbers.unit_name("volume_per_atom_A3") == "volume per atom / Å³"
    assert numbers.unit_name("force_mae_eV_A") == "force MAE / eV/Å"
    assert numbers.unit_name("energy_rmse_meV_per_atom") == "energy RMSE / meV/atom"
    assert numbers.unit_name("status") == "status"


def test_a_metric_that_the_catalog_no_longer_knows_is_called_by_its_key() -> None:
    assert numbers.metric("gone_metric").label == "gone_metric"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.12, "+0.120"),
        (-0.0341, "\u22120.034"),
        (-5e299, "\u22125.00e+299"),
        (2e6, "+2.00e+06"),
        (1e-9, "+0.000"),
    ],
)
def test_a_difference_has_its_sign_and_few_digits(value: float, words: str) -> None:
    assert signed(value) == words
