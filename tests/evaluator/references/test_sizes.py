"""Total energies and energies per atom are told apart by how they grow."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from evaluator.references.sizes import energy_doubts


def frames(power: float, *, noise_eV: float = 0.05, elements: str = "Cu Au") -> list[Atoms]:
    """Cells of 1 to 16 atoms, with energies that grow as this power of their number."""
    rng = np.random.default_rng(4)
    made = []
    for symbol, energy in zip(elements.split(), (-3.7, -3.2), strict=False):
        for n in (1, 2, 4, 4, 8, 16):
            atoms = bulk(symbol) * (n, 1, 1)
            value = n**power * (energy + rng.normal(scale=noise_eV))
            atoms.calc = SinglePointCalculator(atoms, energy=value)
            atoms.info["system_id"] = f"{symbol}-{len(made)}"
            made.append(atoms)
    return made


def test_energies_that_do_not_grow_are_doubted_with_names_and_numbers() -> None:
    (doubt,) = energy_doubts(frames(0), "eV")
    assert doubt.startswith("Energies do not grow with the number of atoms")
    assert "Cu-0 (1 atoms) -3.73" in doubt
    assert "(16 atoms) -3." in doubt
    assert doubt.endswith("Are they per atom? They are read in eV; energy_unit eV/atom would fit.")


def test_totals_that_are_taken_for_energies_per_atom_are_doubted() -> None:
    (doubt,) = energy_doubts(frames(2), "eV/atom")
    assert doubt.endswith("totals already? They are read in eV/atom; energy_unit eV would fit.")


@pytest.mark.parametrize("elements", ["Cu", "Cu Au"])
def test_totals_are_not_doubted(elements: str) -> None:
    assert energy_doubts(frames(1, elements=elements), "eV") == []
    assert energy_doubts(frames(1, elements=elements, noise_eV=1.0), "eV") == []


def test_one_size_isolated_atoms_and_energies_about_zero_tell_nothing() -> None:
    assert energy_doubts([f for f in frames(0) if len(f) == 4], "eV") == []
    isolated = [Atoms("Cu"), Atoms("Au")]
    for atom in isolated:
        atom.calc = SinglePointCalculator(atom, energy=-0.2)
        atom.info["system_id"] = str(atom.symbols)
    assert energy_doubts([*frames(1), *isolated], "eV") == []
    about_zero = frames(1, noise_eV=1.0)
    for frame in about_zero:
        frame.calc.results["energy"] += 3.5 * len(frame)
    assert energy_doubts(about_zero, "eV") == []
