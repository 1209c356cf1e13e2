"""Asking an ASE calculator: shared by the adapters that have one underneath."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from evaluator.wire import FloatArray, Prediction, Structure


class InvalidAnswer(Exception):
    """The calculator's answer has not the shape that its quantity has."""


class MissingInfo(Exception):
    """The calculator reads something of ``atoms.info`` that no structure carries here."""


def properties_of(calculator: BaseCalculator) -> tuple[str, ...]:
    """Which of the properties that the service asks for the calculator says it has."""
    implemented = set(calculator.implemented_properties or ())
    if "free_energy" in implemented:
        implemented.add("energy")
    asked_for = ("energy", "forces", "stress", "magmoms", "energy_uncertainty")
    return tuple(p for p in asked_for if p in implemented)


def predict(calculator: BaseCalculator, atoms: Atoms, properties: Sequence[str]) -> Prediction:
    """Ask an ASE calculator for one structure.

    Stress and magnetic moments are None where they were not asked for or it has none. Raises
    InvalidAnswer for a wrong shape and MissingInfo; whatever else the calculator raises passes
    through.
    """
    try:
        return _predict(calculator, atoms, properties)
    except KeyError as error:
        last = traceback.extract_tb(error.__traceback__)[-1].line or ""
        if re.search(r"\barrays\b|\bget_array\b", last):
            raise MissingInfo(
                f"the calculator reads the array {error.args[0]!r}, which no structure has here: "
                "there are numbers and positions alone. Give it a default"
            ) from error
        if re.search(r"\binfo\b", last) is None:
            raise
        raise MissingInfo(
            f"the calculator reads atoms.info[{error.args[0]!r}], which no structure has here: "
            "atoms.info holds charge (in e) and spin (the multiplicity 2S + 1). Take it from "
            "those, or give it a default"
        ) from error


def has_changed(atoms: Atoms, structure: Structure) -> bool:
    """Whether these are no longer the atoms of the structure."""
    return not (
        np.array_equal(atoms.numbers, structure.numbers)
        and np.array_equal(atoms.positions, structure.positions)
        and np.array_equal(atoms.cell.array, structure.cell)
        and np.array_equal(atoms.pbc, structure.pbc)
    )


def _predict(calculator: BaseCalculator, atoms: Atoms, properties: Sequence[str]) -> Prediction:
    n_atoms = len(atoms)
    atoms.calc = calculator
    energy = to_array(_energy(calculator, atoms), "energy")
    if energy.size != 1:
        raise InvalidAnswer(f"the energy is an array of shape {energy.shape}, not one number")
    forces = _shaped("forces", to_array(calculator.get_forces(atoms), "forces"), (n_atoms, 3))

    stress = magmoms = None
    if "stress" in properties and atoms.cell.rank == 3:
        stress = _optional(calculator, "stress", atoms)
        if stress is not None and stress.size == 9:
            stress = full_3x3_to_voigt_6_stress(stress.reshape(3, 3))
        stress = None if stress is None else _shaped("stress", stress, (6,))
    if "magmoms" in properties:
        magmoms = _optional(calculator, "magmoms", atoms)
        magmoms = None if magmoms is None else _shaped("magmoms", magmoms, (n_atoms,))
    uncertainty = None
    if "energy_uncertainty" in properties:
        uncertainty = _standard_deviation(_optional(calculator, "energy_uncertainty", atoms))
    return Prediction(
        energy=float(energy.ravel()[0]),
        forces=forces,
        stress=stress,
        magmoms=magmoms,
        energy_uncertainty=uncertainty,
    )


def _standard_deviation(value: FloatArray | None) -> float | None:
    """One number of the whole structure; None where it says nothing, which is no failure."""
    if value is None:
        return None
    if value.size != 1:
        raise InvalidAnswer(
            f"the calculator's energy_uncertainty is an array of shape {value.shape}, not one "
            "standard deviation of the total energy in eV"
        )
    number = float(value.ravel()[0])
    return number if np.isfinite(number) and number > 0 else None


def to_array(value: Any, name: str) -> FloatArray:  # noqa: ANN401  (it may be anything)
    """Numbers as numpy has them; torch's tensors may lie on a GPU or carry a gradient.

    Raises InvalidAnswer for what is no real number everywhere.
    """
    detach = getattr(value, "detach", None)
    if callable(detach):
        value = detach().cpu()
        value = value.float().numpy() if str(value.dtype) == "torch.bfloat16" else value.numpy()
    if value is None:
        raise InvalidAnswer(f"the calculator's {name} is None")
    if np.ma.is_masked(value):
        raise InvalidAnswer(f"the calculator's {name} has masked values")
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array) and np.any(array.imag != 0):
            raise InvalidAnswer(f"the calculator's {name} is complex: answer its real part")
        return np.asarray(array.real if np.iscomplexobj(array) else array, dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidAnswer(
            f"the calculator's {name} cannot be read as numbers of one shape ({error})"
        ) from error


def _energy(calculator: BaseCalculator, atoms: Atoms) -> Any:  # noqa: ANN401
    """The energy at zero broadening; a calculator may offer the free energy alone."""
    implemented = getattr(calculator, "implemented_properties", ("energy",))
    if "energy" not in implemented and "free_energy" in implemented:
        return calculator.get_property("free_energy", atoms)
    return calculator.get_potential_energy(atoms)


def _optional(calculator: BaseCalculator, name: str, atoms: Atoms) -> FloatArray | None:
    """A property, or None; some calculators name one as implemented and then lack it."""
    if name not in calculator.implemented_properties or not hasattr(calculator, "get_property"):
        return None
    try:
        value = calculator.get_property(name, atoms)
    except NotImplementedError:  # ASE's PropertyNotImplementedError is one
        return None
    except ValueError:
        # Without three periodic directions there is no stress to speak of: some say so by this.
        if not atoms.pbc.all():
            return None
        raise
    return None if value is None else to_array(value, name)


def _shaped(name: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(value, dtype=float)
    if array.shape != shape:
        raise InvalidAnswer(f"the calculator's {name} has the shape {array.shape}, not {shape}")
    return array
