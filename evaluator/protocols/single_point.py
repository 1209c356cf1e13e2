"""One force call on a plain ASE calculator, its answer checked before anyone uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from evaluator.arrays import FloatArray
from evaluator.protocols.base import SystemFailure


@dataclass(frozen=True, kw_only=True, eq=False)
class SinglePoint:
    """Energy in eV, forces (n_atoms, 3) in eV/Å, stress (6,) in eV/Å³ in ASE's order and sign."""

    energy: float
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    #: What the potential itself gives as the energy's standard deviation, in eV.
    energy_uncertainty: float | None = None


def single_point(
    atoms: Atoms, calculator: Calculator, properties: Sequence[str] = ("energy",)
) -> SinglePoint:
    """Ask for the named properties, and for no other, so that energies alone stay cheap.

    A property that the calculator does not implement comes back as None. Raises SystemFailure
    when an answer is not finite.
    """
    wanted = [name for name in properties if name in calculator.implemented_properties]
    calculator.calculate(atoms, wanted, all_changes)
    answer = {name: _finite(name, calculator.results.get(name)) for name in wanted}
    energy = answer.get("energy")
    if energy is None:
        raise SystemFailure("The potential gave no energy.")
    stress = answer.get("stress")
    if stress is not None and stress.shape == (3, 3):  # allowed by ASE
        stress = full_3x3_to_voigt_6_stress(stress)
    uncertainty = answer.get("energy_uncertainty")
    return SinglePoint(
        energy=float(energy),
        forces=answer.get("forces"),
        stress=stress,
        energy_uncertainty=None if uncertainty is None else float(uncertainty),
    )


def _finite(name: str, value: object) -> FloatArray | None:
    if value is None:
        return None
    array = np.array(value, dtype=float)
    if not np.isfinite(array).all():
        raise SystemFailure(f"The potential's {name} is not a finite number.")
    return array
