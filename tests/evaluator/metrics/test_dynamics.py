import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.geometry import get_distances

from evaluator.metrics.dynamics import (
    TIME_UNIT_IN_PS,
    distance_ratios,
    distances,
    energy_line,
    extrapolated_drift,
    kinetic_temperature,
    lindemann_ratio,
    temperature_relative_error,
)


def test_ase_unit_of_time_is_ten_femtoseconds() -> None:
    found = TIME_UNIT_IN_PS
    assert found == pytest.approx(0.0101805, rel=1e-5)
    # Å (amu/eV)^(1/2) from the constants themselves
    assert found == pytest.approx(1e2 * np.sqrt(units._amu / units._e), rel=1e-9)


def test_drift_is_the_slope_in_mev_per_atom_and_ps_after_the_warm_up() -> None:
    times = np.linspace(0, 10, 1001)
    energies = -1e5 + 4 * (0.003 * times + 0.0005 * np.sin(80 * times))
    energies[:150] += 7.0
    line = energy_line(times, energies, 4)
    assert line.drift_meV_atom_ps == pytest.approx(3.0, abs=2e-3)
    assert line.rms_meV_atom == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize(
    ("times", "energies", "complaint"),
    [
        (np.zeros(30), np.zeros(30), "strictly increasing"),
        (np.arange(30.0), np.zeros(29), "one energy each"),
        (np.arange(5.0), np.zeros(5), "too few"),
        (np.arange(30.0), np.full(30, np.nan), "finite"),
    ],
)
def test_line_refuses_what_it_cannot_judge(
    times: np.ndarray, energies: np.ndarray, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        energy_line(times, energies, 2)


def test_extrapolation_takes_off_what_falls_fourfold() -> None:
    assert extrapolated_drift(8.0, 2.0) == pytest.approx(0.0)
    assert extrapolated_drift(0.3 + 8.0, 0.3 + 2.0) == pytest.approx(0.3)


def test_temperature_counts_the_free_motions_only() -> None:
    assert kinetic_temperature(1.5 * units.kB * 300 * 7, 8) == pytest.approx(300)


@pytest.mark.parametrize("n", [1, 2])
def test_distances_are_those_of_ase(n: int) -> None:
    rng = np.random.default_rng(n)
    atoms = bulk("NaCl", "rocksalt", a=5.64).repeat(n)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.2 * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.rattle(0.5, rng=rng)
    atoms.positions += rng.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    _, expected = get_distances(atoms.positions, cell=atoms.cell, pbc=True)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(distances(atoms.positions, atoms.cell.array), expected)


def test_distance_ratio_of_copper_at_rest() -> None:
    atoms = bulk("Cu", cubic=True)
    ratios = distance_ratios(distances(atoms.positions, atoms.cell.array), atoms.numbers)
    assert ratios.min() == pytest.approx(3.61 / np.sqrt(2) / (2 * 1.32))


def test_lindemann_ratio_knows_no_common_motion() -> None:
    cell = 10 * np.eye(3)
    start = np.random.default_rng(1).random((4, 3))
    moved = start + np.array([0.3, 0.0, 0.0])
    assert lindemann_ratio(moved, start, cell, 2.0) == pytest.approx(0, abs=1e-12)
    moved = start + 0.05 * np.array([[1, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0]])
    assert lindemann_ratio(moved, start, cell, 2.0) == pytest.approx(0.25)


def test_temperature_error_compares_with_the_target_of_each_moment() -> None:
    targets = np.linspace(300, 3000, 101)
    found = 1.1 * targets
    found[:20] = 0
    assert temperature_relative_error(found, targets) == pytest.approx(10)
