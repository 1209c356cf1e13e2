"""How numbers look."""

from __future__ import annotations

import math

import pytest

from leaderboard.templatetags import touchstone as tags


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
    assert tags.number(value, digits) == expected


def test_percent_never_rounds_to_all_or_nothing() -> None:
    shares = (None, 0.0, 0.001, 0.5, 0.999, 1.0)
    assert [tags.percent(s) for s in shares] == ["–", "0 %", "< 1 %", "50 %", "> 99 %", "100 %"]


def test_count_and_heat() -> None:
    assert [tags.count(n) for n in (None, 12, 412525, 33_000_000)] == [
        "–",
        "12",
        "412.5 k",
        "33 M",
    ]
    assert [tags.heat(s) for s in (None, math.nan, -1.0, 0.0, 0.44, 1.0)] == [
        "",
        "",
        "heat-0",
        "heat-0",
        "heat-4",
        "heat-10",
    ]


def test_an_interval_bar_tells_its_numbers_to_those_who_cannot_see_it() -> None:
    bar = tags.interval_bar(0.5, 0.4, 0.6)
    assert 'aria-label="0.500, 95 % interval 0.400 to 0.600"' in bar
    assert 'x1="42.0" x2="62.0"' in bar
    assert tags.interval_bar(None, None, None) == ""


def test_names_with_units_become_words() -> None:
    assert tags.unit_name("wall_time_s") == "wall time / s"
    assert tags.unit_name("volume_per_atom_A3") == "volume per atom / Å³"
    assert tags.unit_name("force_mae_eV_A") == "force MAE / eV/Å"
    assert tags.unit_name("energy_rmse_meV_per_atom") == "energy RMSE / meV/atom"
    assert tags.unit_name("status") == "status"
    assert tags.words("out_of_memory_gpu") == "out of memory gpu"
    assert tags.get(None, "key") is None
    assert tags.metric("gone_metric").label == "gone_metric"


def test_dois_arxiv_numbers_and_addresses_of_citations_are_links() -> None:
    text = "A <b>, doi:10.1126/science.aad3000; arXiv:2503.09814, (see https://a.org/x?y=1&z)."
    assert tags.sources(text) == (
        "A &lt;b&gt;, "
        '<a href="https://doi.org/10.1126/science.aad3000" rel="noopener">'
        "doi:10.1126/science.aad3000</a>; "
        '<a href="https://arxiv.org/abs/2503.09814" rel="noopener">arXiv:2503.09814</a>, (see '
        '<a href="https://a.org/x?y=1&amp;z" rel="noopener">https://a.org/x?y=1&amp;z</a>).'
    )


def test_no_address_of_a_citation_leaves_its_link() -> None:
    assert tags.sources('doi:10.1000/"><script>x</script>').count("<") == 2
    assert "javascript" not in tags.sources("javascript:alert(1)").partition("<a")[2]
