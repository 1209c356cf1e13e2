"""Does the potential respect the symmetries of physics, and are its forces its energy's gradient?

Asked on the smallest systems of a task, shaken a little so that no force vanishes by symmetry.
The figures are published beside the scores and never change them: a potential whose forces are
not a gradient is scored like any other, and marked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from evaluator.arrays import FloatArray
from evaluator.catalog import EV_PER_A3_IN_GPA
from evaluator.pool.remote import Ask, Disguise, seed_of, structure_of
from evaluator.protocols.base import System
from evaluator.wire import Prediction, Structure, StructureFailure

MAX_SYSTEMS = 3
N_DIRECTIONS = 3
SHAKE_A = 0.05

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


class _NotAnswered(Exception):
    """The potential failed on one of the structures."""


def check_consistency(
    systems: Sequence[System], ask: Ask, *, offers_stress: bool, dtype: str, seed: int
) -> dict[str, Any]:
    """Figures of the checks, the worst over at most ``MAX_SYSTEMS`` systems.

    ``systems`` are those that the potential supports. A system on which it fails is left out
    and counted in ``n_failed``.
    """
    steps = STEPS.get(dtype, STEPS["float32"])
    chosen = _choose(systems)
    figures: dict[str, list[float]] = defaultdict(list)
    judged: list[str] = []
    for system in chosen:
        own_seed = seed_of("consistency", seed, system.id)
        try:
            found = _System(system.atoms, ask, own_seed, steps, offers_stress).figures()
        except _NotAnswered:
            continue
        judged.append(system.id)
        for name, values in found.items():
            figures[name].extend(values)
    return _summary(figures, judged, len(chosen), steps)


def _choose(systems: Sequence[System]) -> list[System]:
    """Evenly spread over the smallest quarter, so that not all are of one element."""
    smallest = sorted(systems, key=lambda system: len(system.atoms))
    smallest = smallest[: max(MAX_SYSTEMS, len(systems) // 4)]
    places = np.linspace(0, len(smallest) - 1, min(MAX_SYSTEMS, len(smallest)))
    return [smallest[int(place)] for place in places]


def _summary(
    figures: dict[str, list[float]], judged: list[str], n_asked: int, steps: Steps
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "systems": judged,
        "n_failed": n_asked - len(judged),
        "displacement_A": steps.displacement_A,
        "strain": steps.strain,
        "force_tolerance_eV_A": steps.force_tolerance_eV_A,
    }
    for name, values in figures.items():
        summary[f"{name}_max"] = float(np.max(values))
    gradient = figures.get("force_gradient_error_eV_A")
    if gradient:
        rms = float(np.sqrt(np.mean(np.square(gradient))))
        summary["force_gradient_error_eV_A_rms"] = rms
        summary["is_conservative_measured"] = rms <= steps.force_tolerance_eV_A
    return summary


class _System:
    """The checks on one system; each returns absolute errors."""

    def __init__(
        self, atoms: Atoms, ask: Ask, seed: int, steps: Steps, offers_stress: bool
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.ask, self.seed, self.steps = ask, seed, steps
        self.properties = ("energy", "forces", *(("stress",) if offers_stress else ()))
        # Turned like everything else: nothing shall tell it from a scored structure.
        shaken = structure_of(_shaken(atoms, self.rng))
        self.structure = Disguise.from_seed(seed).apply(shaken)
        self.n_atoms = len(self.structure.numbers)
        self.answer = self._predict(self.structure)

    def figures(self) -> dict[str, list[float]]:
        again = Disguise.from_seed(seed_of(self.seed, "turned"))
        turned = Disguise(rotation=again.rotation, order=np.arange)
        # Every atom takes the place of its neighbour in the list.
        permuted = Disguise(rotation=np.eye(3), order=lambda n: np.roll(np.arange(n), 1))
        figures = {
            **self._difference("rotation", turned),
            **self._difference("permutation", permuted),
            # After others: a calculator that is asked twice in a row may answer from memory.
            **self._difference("repeat", None),
            "force_gradient_error_eV_A": self._force_gradient_errors(),
        }
        if self.answer.stress is not None and self.structure.pbc.all():
            figures["stress_gradient_error_GPa"] = self._stress_gradient_errors()
        return figures

    def _predict(self, structure: Structure) -> Prediction:
        answer = self.ask(structure, self.properties)
        if isinstance(answer, StructureFailure):
            raise _NotAnswered
        return answer

    def _difference(self, name: str, disguise: Disguise | None) -> dict[str, list[float]]:
        """Change of the answer when the same structure is asked again, in a disguise or not."""
        if disguise is None:
            again = self._predict(self.structure)
        else:
            again = disguise.invert(self._predict(disguise.apply(self.structure)))
        energy_eV = abs(again.energy - self.answer.energy) / self.n_atoms
        return {
            f"{name}_energy_error_meV_atom": [1000 * energy_eV],
            f"{name}_force_error_eV_A": [float(np.abs(again.forces - self.answer.forces).max())],
        }

    def _force_gradient_errors(self) -> list[float]:
        """|F . d + dE/ds| in eV/Å along random unit vectors d of all coordinates."""
        errors = []
        for _ in range(N_DIRECTIONS):
            direction = self.rng.normal(size=(self.n_atoms, 3))
            direction /= np.linalg.norm(direction)
            slope = self._slope(
                partial(_moved, self.structure, direction), self.steps.displacement_A
            )
            errors.append(abs(float(np.sum(self.answer.forces * direction)) + slope))
        return errors

    def _stress_gradient_errors(self) -> list[float]:
        """|σ : e - (dE/ds) / V| in GPa for random symmetric strains s e with |e| = 1."""
        assert self.answer.stress is not None  # noqa: S101  (asked only where it was offered)
        stress = voigt_6_to_full_3x3_stress(self.answer.stress)
        volume = abs(float(np.linalg.det(self.structure.cell)))
        errors = []
        for _ in range(N_DIRECTIONS):
            strain = self.rng.normal(size=(3, 3))
            strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
            slope = self._slope(partial(_strained, self.structure, strain), self.steps.strain)
            errors.append(abs(float(np.sum(stress * strain)) - slope / volume) * EV_PER_A3_IN_GPA)
        return errors

    def _slope(self, structure_at: Callable[[float], Structure], step: float) -> float:
        return sum(w * self._predict(structure_at(n * step)).energy for n, w in _STENCIL) / step


def _shaken(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy with every atom displaced; a lone atom in a crystal first gets a neighbour."""
    atoms = atoms.copy()
    if len(atoms) == 1 and atoms.pbc.any():
        atoms = atoms.repeat([2 if i == int(np.argmax(atoms.pbc)) else 1 for i in range(3)])
    atoms.positions += rng.normal(scale=SHAKE_A, size=(len(atoms), 3))
    return atoms


def _moved(structure: Structure, direction: FloatArray, distance: float) -> Structure:
    return Structure(
        numbers=structure.numbers,
        positions=structure.positions + distance * direction,
        cell=structure.cell,
        pbc=structure.pbc,
    )


def _strained(structure: Structure, strain: FloatArray, amount: float) -> Structure:
    deformation = np.eye(3) + amount * strain
    return Structure(
        numbers=structure.numbers,
        positions=structure.positions @ deformation,
        cell=structure.cell @ deformation,
        pbc=structure.pbc,
    )
