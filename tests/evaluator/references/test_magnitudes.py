"""An energy that is off by the factor between two units is noticed; honest sets are not doubted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Hartree, kcal, mol

from evaluator.references.conventions import Convention
from evaluator.references.magnitudes import all_electron_energy
from evaluator.references.upload import check_upload


def rattled(n: int = 8, repeats: int = 2, by_A: float = 0.15) -> list[Atoms]:
    """Further apart than near structures: nothing can be differentiated."""
    rng = np.random.default_rng(3)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True).repeat(repeats)
        atoms.rattle(by_A, rng=rng)
        frames.append(with_answers(atoms, EMT()))
    return frames


def with_answers(atoms: Atoms, calculator: Any) -> Atoms:
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    return told(atoms, energy=energy, forces=forces)


def told(atoms: Atoms, **results: Any) -> Atoms:
    bare = atoms.copy()
    bare.calc = SinglePointCalculator(bare, **results)
    return bare


def problems(folder: Path, frames: list[Atoms], **convention: str) -> str:
    path = folder / "set.extxyz"
    ase.io.write(path, frames, format="extxyz")
    summary = check_upload(path, folder / "out.extxyz", Convention(**convention))
    return " ".join(summary["problems"])


def test_honest_sets_are_not_doubted(tmp_path: Path) -> None:
    assert problems(tmp_path, rattled()) == ""
    scaled = [
        told(f, energy=f.calc.results["energy"] / Hartree, forces=f.calc.results["forces"])
        for f in rattled()
    ]
    assert problems(tmp_path, scaled, energy_unit="Ha") == ""


@pytest.mark.parametrize("unit", ["Ha", "kcal/mol", "kJ/mol", "meV/atom"])
def test_energies_in_another_unit_are_told_by_forces_of_structures_far_apart(
    tmp_path: Path, unit: str
) -> None:
    doubts = problems(tmp_path, rattled(), energy_unit=unit)
    assert f"energies are declared in {unit}, forces in eV/Å. energy_unit eV" in doubts


def test_forces_and_energies_that_are_off_together_are_both_told(tmp_path: Path) -> None:
    doubts = problems(tmp_path, rattled(), energy_unit="Ha", force_unit="Ha/Bohr")
    assert "eV/Å after conversion from Ha/Bohr; is that the file's unit?" in doubts
    assert "eV/atom after conversion from Ha, beside forces of up to" in doubts


def molecules(unit: float) -> list[Atoms]:
    """Totals of all electrons of molecules, without forces, as quantum chemistry has them."""
    names = ("H2O", "CH4", "C2H6", "CH3OH", "CH3CH2OH", "C6H6")
    return [
        told(atoms, energy=1.003 * all_electron_energy(atoms.numbers) / unit)
        for atoms in map(molecule, names)
    ]


@pytest.mark.parametrize(("unit", "of"), [("eV", 1.0), ("Ha", Hartree), ("kcal/mol", kcal / mol)])
def test_totals_of_all_electrons_tell_their_unit(tmp_path: Path, unit: str, of: float) -> None:
    assert problems(tmp_path, molecules(of), energy_unit=unit) == ""
    for declared in ("eV", "Ha", "kcal/mol"):
        if declared != unit:
            doubts = problems(tmp_path, molecules(of), energy_unit=declared)
            assert f"energy_unit {unit} would fit" in doubts, declared


def test_the_formula_of_total_energies_is_that_of_atoms() -> None:
    # Hartree-Fock, in Ha: Clementi and Roetti, At. Data Nucl. Data Tables 14, 177 (1974).
    for symbol, energy in {"C": -37.689, "O": -74.809, "Si": -288.854, "Cu": -1638.964}.items():
        ours = all_electron_energy(Atoms(symbol).numbers) / Hartree
        assert ours == pytest.approx(energy, rel=0.01), symbol


def test_numbers_of_bonds_that_are_declared_as_ha_are_told_without_forces(tmp_path: Path) -> None:
    solids = [told(bulk("Cu", cubic=True), energy=4 * -3.7), told(bulk("Si"), energy=2 * -5.4)]
    doubts = problems(tmp_path, solids, energy_unit="Ha")
    assert "-100.7 eV/atom after conversion from Ha. The same number in eV, -3.7," in doubts
    assert problems(tmp_path, solids) == ""


def test_structures_of_one_composition_that_differ_by_more_than_bonds_hold_are_told(
    tmp_path: Path,
) -> None:
    frames = rattled(6)
    far = [told(f, energy=len(f) * (-300.0 + 20.0 * i)) for i, f in enumerate(frames)]
    assert "differ from others of their composition by 30 eV/atom or more" in problems(
        tmp_path, far
    )
