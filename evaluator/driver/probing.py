"""Structures near one another, and slopes of the energy along them: what checks are made of.

Energies in eV, lengths in Å. Every function leaves the structure that it is given as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from evaluator.arrays import FloatArray
from evaluator.metrics.energies import energy_spacing as energy_spacing
from evaluator.pool.remote import Ask
from evaluator.wire import IntArray, Prediction, Structure, StructureFailure

SHAKE_A = 0.05
#: Times Z^(7/3), in eV: a fifth more than Thomas and Fermi give an atom, for what they leave out.
_ALL_ELECTRONS_EV = 25.0

#: Four-point central difference: f'(0) h = sum(weight * f(step * h)), error of order h^4.
_STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Finite steps and the tolerance that suit a precision: rounding shrinks as they grow."""

    displacement_A: float
    strain: float
    #: Forces count as the energy's gradient when the RMS error is below this.
    force_tolerance_eV_A: float


STEPS = {
    "float64": Steps(displacement_A=0.001, strain=0.0002, force_tolerance_eV_A=0.001),
    "float32": Steps(displacement_A=0.02, strain=0.004, force_tolerance_eV_A=0.01),
}


class NotAnsweredHere(Exception):
    """The potential failed on one of the structures."""


def steps_for(dtype: str) -> Steps:
    """The steps for a precision; those of single precision where it is not known."""
    return STEPS.get(dtype, STEPS["float32"])


def predicted(ask: Ask, structure: Structure, properties: Sequence[str]) -> Prediction:
    """The answer. Raises NotAnsweredHere."""
    answer = ask(structure, properties)
    if isinstance(answer, StructureFailure):
        raise NotAnsweredHere(answer.message)
    return answer


def slope(energy_at: Callable[[float], float], step: float) -> float:
    """Derivative of an energy at zero."""
    return sum(weight * energy_at(n * step) for n, weight in _STENCIL) / step


def rounded_energy(energy_eV: float, numbers: IntArray) -> float:
    """How large an energy in eV per atom may be said to be where its rounding excuses something.

    No atoms have more than all of their electrons: a constant that is added to every energy, which
    no score notices, would excuse anything else.
    """
    all_electrons_eV = _ALL_ELECTRONS_EV * float(np.mean(numbers ** (7 / 3)))
    return min(abs(energy_eV) / len(numbers), all_electrons_eV)


def rms(values: Sequence[float] | FloatArray) -> float:
    """Root of the mean square of all numbers."""
    return float(np.sqrt(np.mean(np.square(values))))


def unit_direction(rng: np.random.Generator, n_atoms: int) -> FloatArray:
    """A random unit vector of all coordinates, shape (n_atoms, 3)."""
    direction = rng.normal(size=(n_atoms, 3))
    return np.asarray(direction / np.linalg.norm(direction))


def shaken(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy with every atom displaced; a lone atom in a crystal first gets a neighbour."""
    atoms = atoms.copy()
    if len(atoms) == 1 and atoms.pbc.any():
        atoms = atoms.repeat([2 if i == int(np.argmax(atoms.pbc)) else 1 for i in range(3)])
    atoms.positions += rng.normal(scale=SHAKE_A, size=(len(atoms), 3))
    return atoms


def moved(structure: Structure, direction: FloatArray, distance: float) -> Structure:
    """Every atom displaced along its row of ``direction``."""
    return replace(structure, positions=structure.positions + distance * direction)


def strained(structure: Structure, strain: FloatArray, amount: float) -> Structure:
    """Cell and positions deformed by ``amount`` times a symmetric strain (3, 3)."""
    deformation = np.eye(3) + amount * strain
    return replace(
        structure,
        positions=structure.positions @ deformation,
        cell=structure.cell @ deformation,
    )


def doubled(structure: Structure) -> Structure:
    """Two cells side by side along the last periodic direction, as one structure.

    Charge and unpaired electrons are those of both.
    """
    axis = int(np.flatnonzero(structure.pbc)[-1])
    cell = structure.cell.copy()
    second = structure.positions + cell[axis]
    cell[axis] *= 2
    return Structure(
        numbers=np.concatenate([structure.numbers, structure.numbers]),
        positions=np.concatenate([structure.positions, second]),
        cell=cell,
        pbc=structure.pbc,
        charge=2 * structure.charge,
        spin=2 * (structure.spin - 1) + 1,
    )
