"""The bad calculators of the tests are bad in the way they say, and in no other."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.calculators import (
    ChangesAtoms,
    Constant,
    EinsteinCrystal,
    Exploding,
    NanAfter,
    NonExtensive,
    Slow,
)


@pytest.fixture
def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=3)
    return atoms


def work_around_a_square(atoms: Atoms, step: float = 0.05) -> float:
    """The work done by the first atom's force once around a square in the xy plane, in eV."""
    start, work = atoms.positions.copy(), 0.0
    for move in np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]) * step:
        # The force is linear in the displacement: the middle of an edge gives its work exactly.
        atoms.positions[0] += move / 2
        work += float(atoms.get_forces()[0] @ move)
        atoms.positions[0] += move / 2
    np.testing.assert_allclose(atoms.positions, start, atol=1e-12)
    return work


def test_einstein_crystal_has_a_gradient_only_without_curl(copper: Atoms) -> None:
    anchors = bulk("Cu", cubic=True).positions
    copper.calc = EinsteinCrystal(anchors)
    assert work_around_a_square(copper) == pytest.approx(0, abs=1e-12)

    copper.calc = EinsteinCrystal(anchors, curl=0.1)
    # The curl of curl (z × u) is 2 curl; times the area 0.05².
    assert work_around_a_square(copper) == pytest.approx(2 * 0.1 * 0.05**2)


def test_nan_after_is_good_for_n_calls(copper: Atoms) -> None:
    copper.calc = NanAfter(2)
    energies = []
    for _ in range(3):
        copper.rattle(0.01, seed=1)
        energies.append(copper.get_potential_energy())
    assert np.isnan(energies).tolist() == [False, False, True]


def test_slow_is_right_but_late(copper: Atoms) -> None:
    import time

    copper.calc = Slow(0.05)
    start = time.perf_counter()
    energy = copper.get_potential_energy()
    assert time.perf_counter() - start >= 0.05
    copper.calc = EMT()
    assert energy == copper.get_potential_energy()


def test_exploding_drives_atoms_apart(copper: Atoms) -> None:
    copper.calc = Exploding()
    away = copper.positions - copper.positions.mean(axis=0)
    assert (np.sum(copper.get_forces() * away, axis=1) > 0).all()


def test_constant_says_the_same_of_everything(copper: Atoms) -> None:
    copper.calc = Constant()
    before = copper.get_potential_energy()
    copper.rattle(0.1, seed=2)
    assert copper.get_potential_energy() == before
    assert not copper.get_forces().any()


def test_non_extensive_differs_between_cell_and_supercell(copper: Atoms) -> None:
    double = copper.repeat((2, 1, 1))
    copper.calc, double.calc = NonExtensive(), NonExtensive()
    # EMT is extensive; the excess of 0.01 n² is 0.64 for 8 atoms and 0.16 for 4.
    difference = double.get_potential_energy() - 2 * copper.get_potential_energy()
    assert difference == pytest.approx(0.64 - 2 * 0.16)


def test_changes_atoms_moves_what_it_was_asked_about(copper: Atoms) -> None:
    copper.calc = ChangesAtoms()
    before = copper.positions.copy()
    copper.get_potential_energy()
    assert np.abs(copper.positions - before).max() == pytest.approx(0.1)
