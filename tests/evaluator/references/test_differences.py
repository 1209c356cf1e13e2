"""Forces and stresses in a wrong unit, sign or order are found by differences of the energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from evaluator.references.conventions import Convention
from evaluator.references.differences import derivative_doubts
from evaluator.references.formats import read_file

AS_IT_IS = Convention()


@cache
def copper(*, strained: bool) -> tuple[Atoms, ...]:
    """Eight atoms rattled about the same places, in cells strained at random or not, by EMT."""
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(6):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        if strained:
            strain = rng.uniform(-0.02, 0.02, (3, 3))
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
        atoms.rattle(0.01 if strained else 0.05, rng=rng)
        atoms.calc = EMT()
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return tuple(frames)


def doubts(tmp_path: Path, frames: Sequence[Atoms], convention: Convention = AS_IT_IS) -> list[str]:
    path = tmp_path / "file.extxyz"
    ase.io.write(path, frames, format="extxyz")
    # ASE writes stress as nine numbers: six here, in its own order.
    text = path.read_text()
    for frame in frames:
        if "stress" in frame.calc.results:
            six = " ".join(map(repr, map(float, frame.calc.results["stress"])))
            start = text.index('stress="')
            end = text.index('"', start + 8) + 1
            text = f'{text[:start]}six="{six}"{text[end:]}'
    path.write_text(text)
    named = replace(convention, stress_name="six") if "six=" in text else convention
    return derivative_doubts(read_file(path, named), named)


def changed(frame: Atoms, **factors: float) -> Atoms:
    other = frame.copy()
    results = {k: np.multiply(v, factors.get(k, 1.0)) for k, v in frame.calc.results.items()}
    other.calc = SinglePointCalculator(other, **results | {"energy": float(results["energy"])})
    return other


@pytest.mark.parametrize("strained", [True, False])
def test_what_is_consistent_is_not_doubted(tmp_path: Path, strained: bool) -> None:
    assert doubts(tmp_path, copper(strained=strained)) == []


@pytest.mark.parametrize(
    ("chosen", "advice"),
    [
        ({"stress_order": "vasp"}, "stress_order voigt would fit."),
        ({"stress_order": "lammps"}, "stress_order voigt would fit."),
        ({"stress_sign": "compression"}, "stress_sign tension would fit."),
        ({"stress_unit": "GPa"}, "stress_unit eV/Å³ would fit."),
        ({"stress_unit": "virial in eV"}, "stress_unit eV/Å³ with stress_sign tension would fit."),
        (
            {"stress_unit": "kbar (VASP)", "stress_order": "voigt"},
            "stress_unit eV/Å³ with stress_sign tension would fit.",
        ),
        ({"energy_unit": "eV/atom"}, "energy_unit eV would fit."),
    ],
)
def test_a_wrong_choice_for_strained_structures_is_named_with_what_would_fit(
    tmp_path: Path, chosen: dict[str, str], advice: str
) -> None:
    (doubt,) = doubts(tmp_path, copper(strained=True), Convention(**chosen))
    assert doubt.startswith("The stress is not the derivative of the energy in ")
    assert "from structure-" in doubt
    assert doubt.endswith(f" eV by the stress. {advice}")


@pytest.mark.parametrize(
    ("chosen", "factors", "advice"),
    [
        ({"energy_unit": "eV/atom"}, {}, "energy_unit eV would fit."),
        ({"energy_unit": "Ha"}, {}, "energy_unit eV would fit."),
        ({"force_unit": "Ha/Bohr"}, {}, "force_unit eV/Å would fit."),
        ({}, {"energy": 0.125}, "energy_unit eV/atom would fit."),
        ({}, {"forces": -1.0}, "The other sign of the forces (they are gradients: turn it in the "),
        ({}, {"forces": 0.0}, "No choice of units, signs and orders makes them agree."),
    ],
)
def test_forces_and_energies_that_do_not_belong_together_are_named(
    tmp_path: Path, chosen: dict[str, str], factors: dict[str, float], advice: str
) -> None:
    frames = [changed(frame, **factors) for frame in copper(strained=False)]
    (doubt,) = doubts(tmp_path, frames, Convention(**chosen))
    assert doubt.startswith("The forces are not minus the derivative of the energy in ")
    assert f" eV by the forces. {advice}" in doubt


def alloys(*, strain_scale: float, rattled_A: float) -> list[Atoms]:
    """Nine cells of copper with a gold atom, strained and shaken, and the results of EMT."""
    rng = np.random.default_rng(5)
    frames = []
    for _ in range(9):
        atoms = bulk("Cu", "fcc", 3.65, cubic=True)
        atoms.symbols[0] = "Au"
        strain = rng.normal(scale=strain_scale, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        atoms.rattle(rattled_A, rng=rng)
        atoms.calc = EMT()
        atoms.get_stress()
        frames.append(changed(atoms))
    return frames


def test_a_stress_hidden_by_atoms_that_move_far_is_not_doubted(tmp_path: Path) -> None:
    assert doubts(tmp_path, alloys(strain_scale=0.004, rattled_A=0.1)) == []


def test_a_stress_of_something_else_is_doubted_though_nothing_would_fit(tmp_path: Path) -> None:
    frames = alloys(strain_scale=0.02, rattled_A=0.0)
    for frame in frames:
        frame.calc.results["stress"] = frame.calc.results["stress"] * [-1, 3, -2, 1, 1, 1]
    (doubt,) = doubts(tmp_path, frames)
    assert doubt.endswith("No choice of units, signs and orders makes them agree.")


def test_no_derivative_is_taken_between_a_structure_and_its_ion(tmp_path: Path) -> None:
    frames = [changed(frame) for frame in copper(strained=False)]
    for frame in frames[::2]:
        frame.info |= {"charge": 1, "spin": 2}
        frame.calc.results["energy"] += 15.0
    assert doubts(tmp_path, frames) == []


def test_structures_far_from_each_other_tell_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    frames = [changed(frame, forces=-1.0) for frame in copper(strained=False)]
    for frame in frames:
        frame.positions = rng.uniform(0, 7, frame.positions.shape)
    assert doubts(tmp_path, frames) == []


def test_cells_of_either_hand_and_molecules_are_taken(tmp_path: Path) -> None:
    frames = [changed(frame) for frame in copper(strained=True)]
    for frame in frames[::2]:
        frame.set_cell(frame.cell.array[[1, 0, 2]])
    assert doubts(tmp_path, frames) == []
    molecules = [changed(frame, forces=-1.0) for frame in copper(strained=False)]
    for molecule in molecules:
        molecule.pbc, molecule.cell = False, None
        del molecule.calc.results["stress"]
    assert "gradients" in doubts(tmp_path, molecules)[0]
