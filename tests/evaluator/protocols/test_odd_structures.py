"""Odd cells and atoms in every protocol: refused by name, charged alone, or as any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import (
    System,
    UnsuitableReference,
    has_cell_for_pbc,
    why_impossible,
)

#: What protocols of crystals ask of a reference, whatever else they need.
OF_CRYSTALS = (
    "equation_of_state",
    "md_stability",
    "phonons",
    "efficiency",
    "mixing_energy",
    "surface_energy",
    "elastic",
    "vacancy_formation",
)
REFERENCE: dict[str, Any] = {
    "volume_per_atom_A3": 11.6,
    "bulk_modulus_GPa": 134.0,
    "bulk_modulus_derivative": 5.0,
    "omega_max_THz": 7.0,
    "omega_min_THz": 0.0,
    "vacancy_formation_eV": 1.0,
    "bulk_modulus_vrh_GPa": 140.0,
    "shear_modulus_vrh_GPa": 50.0,
}


def cell_without_third_vector() -> Atoms:
    atoms = fcc111("Cu", (1, 1, 3), vacuum=6.0)
    atoms.cell[2] = 0
    atoms.pbc = True
    return atoms


def flat_cell() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell([[3.6, 0, 0], [0, 3.6, 0], [3.6, 3.6, 1e-6]])
    return atoms


def twins() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.positions[1] = atoms.positions[0] + atoms.cell[1]
    return atoms


def left_handed(atoms: Atoms) -> Atoms:
    other = atoms.copy()
    other.set_cell(atoms.cell.array[[1, 0, 2]])
    assert np.linalg.det(other.cell.array) < 0
    return other


def system(atoms: Atoms, **reference: Any) -> System:
    return System(id="odd", atoms=atoms, reference=REFERENCE | reference)


def parameters(name: str) -> dict[str, Any]:
    return {parameter.name: parameter.default for parameter in DESCRIPTIONS[name].parameters}


@pytest.mark.parametrize(
    ("atoms", "reason"),
    [
        (cell_without_third_vector(), "cell cannot carry its pbc"),
        (flat_cell(), "cell cannot carry its pbc"),
        (Atoms("H2O", np.eye(3), pbc=True), "cell cannot carry its pbc"),
        (twins(), "two atoms in one place: 1 and 2"),
        (Atoms("Cu", [[np.nan, 0, 0]]), "not finite numbers"),
    ],
)
def test_no_potential_is_asked_about_an_impossible_structure(atoms: Atoms, reason: str) -> None:
    assert reason in why_impossible(atoms)


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Cu"),
        left_handed(bulk("Cu")),
        Atoms("Cu"),
        Atoms("Cu", cell=[9, 9, 9], pbc=True),
        fcc111("Cu", (1, 1, 3), vacuum=6.0),
        bulk("Cu") * (1, 1, 20),
    ],
)
def test_what_is_odd_but_possible_is_asked_about(atoms: Atoms) -> None:
    assert why_impossible(atoms) == ""
    assert has_cell_for_pbc(atoms)


@pytest.mark.parametrize("name", OF_CRYSTALS)
@pytest.mark.parametrize(
    "atoms",
    [
        Atoms("Cu"),
        Atoms("Cu2", [[0, 0, 0], [0, 0, 2]], cell=[9, 9, 9]),
        fcc111("Cu", (1, 1, 3), vacuum=6.0),
        cell_without_third_vector(),
        flat_cell(),
    ],
    ids=["isolated atom", "molecule", "slab", "no third vector", "flat cell"],
)
def test_protocols_of_crystals_refuse_what_is_none_by_name(name: str, atoms: Atoms) -> None:
    with pytest.raises(UnsuitableReference, match="odd"):
        PROTOCOLS[name].check_reference([system(atoms)], [])


@pytest.mark.parametrize("name", ["energy_forces", "equation_of_state"])
def test_left_handed_cells_are_judged_as_right_handed_ones(name: str) -> None:
    values = []
    right = bulk("Cu", cubic=True)
    right.rattle(0.05, seed=1)
    for atoms in (right, left_handed(right)):
        calculated = atoms.copy()
        calculated.calc = EMT()
        known = system(atoms, energy=0.0, forces=np.zeros((4, 3)), stress=np.zeros(6))
        PROTOCOLS[name].check_reference([known], [])
        outcome = PROTOCOLS[name].simulate(known, EMT(), parameters(name))  # type: ignore[attr-defined]
        numbers = {k: v for k, v in outcome.values.items() if isinstance(v, float)}
        values.append(numbers)
    assert values[0] == pytest.approx(values[1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("atoms", [Atoms("Cu"), fcc111("Cu", (1, 1, 3), vacuum=6.0)])
def test_isolated_atoms_and_slabs_have_energies_and_forces(atoms: Atoms) -> None:
    known = system(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
    protocol = PROTOCOLS["energy_forces"]
    outcome = protocol.simulate(known, EMT(), parameters("energy_forces"))
    assert outcome.values["n_atoms"] == len(atoms)
    assert outcome.arrays["forces"].shape == (len(atoms), 3)
