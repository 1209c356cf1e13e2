"""Asking an ASE calculator: shared by the adapters that have one underneath."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from ase.stress import full_3x3_to_voigt_6_stress

from evaluator.calculators.structures import to_atoms
from evaluator.wire import FloatArray, Prediction, Structure


class InvalidAnswer(Exception):
    """The calculator's answer has not the shape that its quantity has."""


def properties_of(calculator: BaseCalculator) -> tuple[str, ...]:
    """Which of the properties that the service asks for the calculator says it has."""
    implemented = set(calculator.implemented_properties)
    return tuple(p for p in ("energy", "forces", "stress", "magmoms") if p in implemented)


def predict(
    calculator: BaseCalculator, structure: Structure, properties: Sequence[str]
) -> Prediction:
    """Ask an ASE calculator for one structure.

    Stress and magnetic moments are None where they were not asked for or it has none. Raises
    InvalidAnswer for a wrong shape; whatever the calculator raises passes through.
    """
    n_atoms = len(structure.numbers)
    atoms = to_atoms(structure)
    atoms.calc = calculator
    energy = np.asarray(atoms.get_potential_energy(), dtype=float)
    if energy.size != 1:
        raise InvalidAnswer(f"the energy is an array of shape {energy.shape}, not one number")
    forces = _shaped("forces", atoms.get_forces(apply_constraint=False), (n_atoms, 3))

    stress = magmoms = None
    if "stress" in properties and atoms.cell.rank == 3:
        stress = _optional(calculator, "stress", atoms)
        if stress is not None and stress.shape == (3, 3):
            stress = full_3x3_to_voigt_6_stress(stress)
        stress = None if stress is None else _shaped("stress", stress, (6,))
    if "magmoms" in properties:
        magmoms = _optional(calculator, "magmoms", atoms)
        magmoms = None if magmoms is None else _shaped("magmoms", magmoms, (n_atoms,))
    return Prediction(
        energy=float(energy.ravel()[0]), forces=forces, stress=stress, magmoms=magmoms
    )


def _optional(calculator: BaseCalculator, name: str, atoms: Atoms) -> FloatArray | None:
    """A property, or None; some calculators name one as implemented and then lack it."""
    if name not in calculator.implemented_properties:
        return None
    try:
        return np.asarray(calculator.get_property(name, atoms), dtype=float)
    except PropertyNotImplementedError:
        return None


def _shaped(name: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(value, dtype=float)
    if array.shape != shape:
        raise InvalidAnswer(f"{name} have shape {array.shape}, not {shape}")
    return array
