"""Estimates of time and memory, against laws known exactly."""

from __future__ import annotations

import pytest

from leaderboard.services.advice.scaling import estimate, ran_out_of_memory
from leaderboard.services.boards.licences import is_open
from leaderboard.services.boards.pareto import front
from tests.leaderboard.timings import material


def test_a_measured_size_is_given_back() -> None:
    found = estimate([material()], n_atoms=64, n_steps=1e6, timestep_fs=1.0)
    assert found is not None
    # 64 atoms of 100 µs: 6.4 ms a step, 6400 s for a million.
    assert found.hours == pytest.approx(6400 / 3600)
    assert found.hours_low == pytest.approx(0.9 * found.hours)
    assert found.hours_high == pytest.approx(1.1 * found.hours)
    # 86 400 s a day / 6.4 ms a fs = 13.5 ns.
    assert found.nanoseconds_per_day == pytest.approx(13.5)
    assert found.memory_GiB == pytest.approx(164 / 1024)
    assert not found.is_extrapolated


def test_between_sizes_the_power_law_is_followed() -> None:
    found = estimate([material(exponent=1.3)], n_atoms=250, n_steps=3.6e6, timestep_fs=1.0)
    assert found is not None
    assert found.hours == pytest.approx(0.1 * 250**1.3)  # ms a step are hours for 3.6 million


def test_beyond_the_largest_size_the_interval_of_the_exponent_opens() -> None:
    found = estimate([material(exponent=1.2)], n_atoms=10_000, n_steps=3.6e6, timestep_fs=1.0)
    assert found is not None
    assert found.is_extrapolated
    assert found.largest_n_atoms == 1000
    assert found.hours == pytest.approx(0.1 * 10_000**1.2)
    # The curve's own last slope, 1.2, is the least; 1.3 the most: ten times the atoms.
    assert found.hours_low == pytest.approx(0.9 * found.hours)
    assert found.hours_high == pytest.approx(1.1 * found.hours * 10**0.1)
    assert found.memory_GiB == pytest.approx(10_100 / 1024)


def test_a_law_flattened_by_small_cells_is_not_believed_beyond_them() -> None:
    flat = material((8, 64), exponent=0.5)
    found = estimate([flat], n_atoms=6400, n_steps=3.6e6, timestep_fs=1.0)
    assert found is not None
    assert found.hours == pytest.approx(0.1 * 8 * 100)  # in proportion from 64 atoms on
    assert found.hours_low < found.hours


def test_materials_are_averaged_and_span_the_range() -> None:
    fast, slow = material(us_per_atom=100.0), material(us_per_atom=400.0, MiB_per_atom=2.0)
    found = estimate([fast, slow], n_atoms=64, n_steps=3.6e6, timestep_fs=1.0)
    assert found is not None
    assert found.hours == pytest.approx(0.2 * 64)
    assert found.hours_low == pytest.approx(0.09 * 64)
    assert found.hours_high == pytest.approx(0.44 * 64)
    assert found.memory_GiB == pytest.approx(228 / 1024)
    assert found.n_materials == 2


def test_one_size_is_no_scaling() -> None:
    assert estimate([material((64,))], n_atoms=64, n_steps=1, timestep_fs=1.0) is None
    assert estimate([], n_atoms=64, n_steps=1, timestep_fs=1.0) is None


def test_fewer_atoms_than_were_measured_are_no_faster() -> None:
    one = estimate([material()], n_atoms=1, n_steps=1, timestep_fs=1.0)
    smallest = estimate([material()], n_atoms=8, n_steps=1, timestep_fs=1.0)
    assert one is not None and smallest is not None
    assert one.hours == smallest.hours


def test_memory_that_ran_out_counts_from_its_size_on() -> None:
    failed = material(first_failed_n_atoms=4096, first_failed_reason="out_of_memory_gpu")
    slow = material(first_failed_n_atoms=100, first_failed_reason="call_timeout")
    assert ran_out_of_memory([failed, slow], 4095) is None
    assert ran_out_of_memory([slow, failed], 4096) is failed


def test_the_front_is_what_nothing_beats() -> None:
    costs, gains = [1.0, 2.0, 3.0, 3.0, 1.0], [0.2, 0.5, 0.5, 0.6, 0.2]
    assert front(costs, gains) == [True, True, False, True, True]
    assert front([], []) == []


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("BSD-3-Clause", True),
        ("Apache 2.0", True),
        ("GPLv3", True),
        ("CC-BY-4.0", True),
        ("CC-BY-NC-SA-4.0", False),
        ("CC BY-ND 4.0", False),
        ("ASL", False),
        ("FAIR Chemistry License", False),
        ("Mitsubishi's own", False),
        ("", False),
    ],
)
def test_which_licences_are_open(licence: str, expected: bool) -> None:
    assert is_open(licence) is expected
