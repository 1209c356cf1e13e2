"""Relaxation of crystals within their space group, and of positions in a fixed cell.

Each answer is looked at on the way. Units are ASE's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE

from evaluator.arrays import FloatArray
from evaluator.protocols.base import SystemFailure
from evaluator.protocols.single_point import single_point

#: No step moves an atom or strains the cell (times its atoms) by more, in Å: FixSymmetry projects
#: small strains exactly, and a potential far from its minimum is not thrown out of its domain.
_MAX_CELL_STEP_A = 0.05
#: No crystal near a minimum has a force or a stress of such a size (16 TPa; Jupiter's core has
#: about 5), and from there no minimum is reached in steps of 0.05 Å: such a relaxation is over.
_HOPELESS_FORCE_EV_A = 1e3
_HOPELESS_STRESS_EV_A3 = 1e2
#: The longest step of an atom in a fixed cell.
_MAX_STEP_A = 0.1


@dataclass(frozen=True, kw_only=True)
class Relaxed:
    """A relaxed crystal, free of constraints and calculator."""

    atoms: Atoms
    n_steps: int
    max_force_eV_A: float
    volume_change_percent: float


@dataclass(frozen=True, kw_only=True, eq=False)
class RelaxedPositions:
    """A structure at rest, without calculator or constraints."""

    atoms: Atoms
    energy: float
    max_force_eV_A: float
    n_steps: int
    #: How far each atom went, in Å.
    displacements_A: FloatArray


def right_handed(atoms: Atoms) -> Atoms:
    """The crystal in a right-handed cell, which the libraries of symmetry demand.

    All three vectors are reversed where they are left-handed: lattice and positions stay, and modes
    at -q are those at q, so that supercells and q-points keep their meaning.
    """
    if np.linalg.det(atoms.cell.array) >= 0:
        return atoms
    turned: Atoms = atoms.copy()
    turned.set_cell(-atoms.cell.array, scale_atoms=False)
    return turned


def relax(
    atoms: Atoms,
    calculator: Calculator,
    *,
    fmax_eV_A: float,
    max_steps: int,
    max_volume_change_percent: float,
    symprec_A: float,
) -> Relaxed:
    """Relax cell and positions without leaving the space group.

    Converged when no force, and no cell gradient per atom, is above ``fmax_eV_A``. Raises
    SystemFailure when that is not reached within ``max_steps``, when the volume leaves the stated
    range, when an answer is not a finite number, and as soon as a force or the stress is so large
    that steps of 0.05 Å lead nowhere.
    """
    if "stress" not in calculator.implemented_properties:
        raise SystemFailure("The potential offers no stress, which relaxing the cell needs.")
    crystal = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    crystal.set_constraint(FixSymmetry(crystal, symprec=symprec_A))
    volume = crystal.get_volume()
    # A first call by itself, so that a potential without a usable answer is told apart.
    single_point(crystal, calculator, ("energy", "forces", "stress"))
    crystal.calc = calculator
    cell_filter: Any = FrechetCellFilter(crystal)
    optimizer = BFGS(cell_filter, logfile=None, maxstep=_MAX_CELL_STEP_A)
    is_converged, change = False, 0.0
    for step_converged in optimizer.irun(fmax=fmax_eV_A, steps=max_steps):
        is_converged = bool(step_converged)
        _refuse_hopeless(crystal)
        change = _volume_change(crystal, volume, max_volume_change_percent)
    forces = np.linalg.norm(crystal.get_forces(), axis=1)
    if not is_converged:
        raise SystemFailure(
            f"The relaxation did not converge in {max_steps} steps: the largest force is "
            f"{forces.max():.3g} eV/Å."
        )
    return Relaxed(
        atoms=Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True),
        n_steps=optimizer.nsteps,
        max_force_eV_A=float(forces.max()),
        volume_change_percent=change,
    )


def _refuse_hopeless(crystal: Atoms) -> None:
    """Raise SystemFailure where the answer to the last step is beyond what a crystal can have."""
    results = crystal.calc.results
    force, stress = (
        float(np.abs(results[name]).max()) if name in results else 0.0
        for name in ("forces", "stress")
    )
    if force > _HOPELESS_FORCE_EV_A:
        raise SystemFailure(f"The relaxation is hopeless: it met a force of {force:.3g} eV/Å.")
    if stress > _HOPELESS_STRESS_EV_A3:
        raise SystemFailure(f"The relaxation is hopeless: it met a stress of {stress:.3g} eV/Å³.")


def _volume_change(crystal: Atoms, volume: float, most_percent: float) -> float:
    """The change in percent; raises SystemFailure where a step went wrong."""
    _refuse_not_finite(crystal, ("energy", "forces", "stress"))
    change = 100 * float(crystal.get_volume() / volume - 1)
    if abs(change) > most_percent:
        raise SystemFailure(
            f"The relaxation left the structure: its volume changed by {change:+.0f} %."
        )
    return change


def space_group(atoms: Atoms, symprec_A: float) -> str:
    """International symbol and number; "unknown" where spglib finds none."""
    import spglib  # comes with the extra "evaluator"

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    symbol = spglib.get_spacegroup(cell, symprec=symprec_A)
    return str(symbol or "unknown")


def relax_positions(
    atoms: Atoms, calculator: Calculator, *, fmax_eV_A: float, max_steps: int
) -> RelaxedPositions:
    """Relax all atoms in the cell that is given, by FIRE.

    Raises SystemFailure where that takes more than ``max_steps``, where an answer is not a finite
    number, and as soon as a force is so large that no minimum is near.
    """
    relaxed = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    # A first call by itself, so that a potential without a usable answer is told apart.
    if single_point(relaxed, calculator, ("energy", "forces")).forces is None:
        raise SystemFailure("The potential offers no forces, which relaxing needs.")
    relaxed.calc = calculator
    optimizer = FIRE(relaxed, logfile=None, maxstep=_MAX_STEP_A)
    is_converged = False
    for step_converged in optimizer.irun(fmax=fmax_eV_A, steps=max_steps):
        is_converged = bool(step_converged)
        _refuse_hopeless(relaxed)
        _refuse_not_finite(relaxed, ("energy", "forces"))
    max_force = float(np.linalg.norm(relaxed.get_forces(), axis=1).max())
    if not is_converged:
        raise SystemFailure(
            f"The relaxation did not converge in {max_steps} steps: the largest force is "
            f"{max_force:.3g} eV/Å."
        )
    return RelaxedPositions(
        atoms=Atoms(atoms.numbers, relaxed.positions, cell=atoms.cell, pbc=atoms.pbc),
        energy=float(relaxed.get_potential_energy()),
        max_force_eV_A=max_force,
        n_steps=optimizer.nsteps,
        displacements_A=np.linalg.norm(relaxed.positions - atoms.positions, axis=1),
    )


def structure_file(relaxed: RelaxedPositions) -> bytes:
    """The structure with its energy as extended XYZ, for download."""
    atoms: Atoms = relaxed.atoms.copy()
    atoms.calc = SinglePointCalculator(atoms, energy=relaxed.energy)
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue().encode()


def _refuse_not_finite(atoms: Atoms, names: Sequence[str]) -> None:
    results = atoms.calc.results
    if not all(np.isfinite(results[name]).all() for name in names):
        raise SystemFailure("While relaxing, the potential gave what is not a finite number.")
