"""Asking an ASE calculator: shared by the adapters that have one underneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from ase.stress import full_3x3_to_voigt_6_stress

from evaluator.calculators.structures import to_atoms
from evaluator.sandbox.wire import FloatArray, Prediction, Structure


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
    if "stress" in properties and "stress" in calculator.implemented_properties:
        stress = _stress(calculator, atoms)
    if "magmoms" in properties and "magmoms" in calculator.implemented_properties:
        magmoms = _shaped("magmoms", calculator.get_property("magmoms", atoms), (n_atoms,))
    return Prediction(energy=energy.item(), forces=forces, stress=stress, magmoms=magmoms)


def _stress(calculator: BaseCalculator, atoms: Any) -> FloatArray | None:  # noqa: ANN401
    if atoms.cell.rank < 3:
        return None
    try:
        stress = np.asarray(calculator.get_property("stress", atoms), dtype=float)
    except PropertyNotImplementedError:
        return None
    if stress.shape == (3, 3):
        stress = full_3x3_to_voigt_6_stress(stress)
    return _shaped("stress", stress, (6,))


def _shaped(name: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(value, dtype=float)
    if array.shape != shape:
        raise InvalidAnswer(f"{name} have shape {array.shape}, not {shape}")
    return array
