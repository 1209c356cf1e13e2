"""Are timed answers right? Compared with those to the same structures when nobody runs a clock.

Two comparisons, since a submission may learn that it is timed: one structure of each timed size is
asked again in another disguise by the same process; and the energy per atom and the forces of all
sizes are compared with those that an ordinary process gave before to a small cell of the material.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from ase import Atoms

from evaluator.driver.probing import rms, rounded_energy
from evaluator.pool.remote import Ask, Disguise, structure_of
from evaluator.protocols.base import System
from evaluator.wire import IntArray, Prediction, Structure, StructureFailure

#: As large as asking twice may differ: single precision on a GPU sums in any order.
AGAIN_TOLERANCE_MEV_ATOM, AGAIN_TOLERANCE_EV_A = 1.0, 0.05
#: And by this share of the energy: all-electron energies are large. See ``rounded_energy``.
_ENERGY_ROUNDING = 2e-6
#: Beside what displacements cost: a hundredth of an ångström takes a few meV/atom, and more as its
#: square. Small cells sample it badly.
SIZE_TOLERANCE_MEV_ATOM = 20.0
_PER_SQUARE_MEV_ATOM_A2 = 1e5
_LARGEST_RATIO = 3.0
#: Forces below this say nothing of a ratio.
_SMALL_FORCE_EV_A = 0.02
_SMALLEST_N_ATOMS = 8


@dataclass(frozen=True)
class _PerAtom:
    """What does not depend on a cell's size: eV/atom, and the RMS of force components in eV/Å."""

    energy_eV: float
    force_eV_A: float

    @classmethod
    def of(cls, answer: Prediction) -> _PerAtom:
        return cls(answer.energy / len(answer.forces), rms(answer.forces))


class TimedAnswers:
    """The comparisons of one timed evaluation."""

    def __init__(self) -> None:
        #: By composition, as an ordinary process answered; polymorphs share one.
        self._untimed: dict[tuple[tuple[int, int], ...], list[_PerAtom]] = defaultdict(list)
        #: How many were asked for: as many answers are needed.
        self._asked: Counter[tuple[tuple[int, int], ...]] = Counter()
        self._unanswered: set[str] = set()
        self._size_tolerance_meV_atom = SIZE_TOLERANCE_MEV_ATOM
        self._again_meV_atom: list[float] = []
        self._again_beyond_rounding_meV_atom: list[float] = []
        self._again_eV_A: list[float] = []
        self._size_meV_atom: list[float] = []
        self._size_beyond_rounding_meV_atom: list[float] = []
        self._force_ratios: list[float] = []

    def ask_untimed(
        self, systems: Sequence[System], ask: Ask, *, seed: int, rattle_A: float
    ) -> None:
        """Ask for a small cell of each material, displaced as timed ones are."""
        rng = np.random.default_rng(seed)
        self._asked.update(_composition(system.atoms.numbers) for system in systems)
        self._size_tolerance_meV_atom += _PER_SQUARE_MEV_ATOM_A2 * rattle_A**2
        for system in systems:
            n_copies = -(-_SMALLEST_N_ATOMS // len(system.atoms))
            shortest = int(np.argmin(system.atoms.cell.lengths()))
            atoms = system.atoms.repeat([n_copies if i == shortest else 1 for i in range(3)])
            atoms.positions += rng.normal(0.0, rattle_A, atoms.positions.shape)
            structure = Disguise.drawn(rng).apply(structure_of(atoms))
            answer = ask(structure, ("energy", "forces"))
            if not isinstance(answer, StructureFailure):
                self._untimed[_composition(structure.numbers)].append(_PerAtom.of(answer))

    def add(self, structure: Structure, timed: Prediction, again: Prediction) -> None:
        """Compare a timed answer with the one given when the structure was asked again."""
        n_atoms = len(structure.numbers)
        rounding_meV = 1e3 * _ENERGY_ROUNDING * rounded_energy(again.energy, structure.numbers)
        error_meV = 1e3 * abs(timed.energy - again.energy) / n_atoms
        self._again_meV_atom.append(error_meV)
        self._again_beyond_rounding_meV_atom.append(error_meV - rounding_meV)
        self._again_eV_A.append(rms(timed.forces - again.forces))
        composition = _composition(structure.numbers)
        polymorphs = self._untimed[composition]
        if len(polymorphs) < self._asked[composition]:
            self._unanswered.add(Atoms(structure.numbers).get_chemical_formula(empirical=True))
        if not polymorphs:
            return
        found = _PerAtom.of(timed)
        small = min(polymorphs, key=lambda other: abs(other.energy_eV - found.energy_eV))
        error_meV = 1e3 * abs(found.energy_eV - small.energy_eV)
        self._size_meV_atom.append(error_meV)
        self._size_beyond_rounding_meV_atom.append(error_meV - rounding_meV)
        if n_atoms >= _SMALLEST_N_ATOMS and small.force_eV_A > _SMALL_FORCE_EV_A:
            self._force_ratios.append(found.force_eV_A / small.force_eV_A)

    def figures(self) -> dict[str, Any]:
        """What is published, names with units; empty where nothing was compared."""
        if not self._again_meV_atom:
            return {}
        figures: dict[str, Any] = {
            "n_timed_again": len(self._again_meV_atom),
            "timed_energy_error_meV_atom_max": max(self._again_meV_atom),
            "timed_force_error_eV_A_max": max(self._again_eV_A),
        }
        if self._size_meV_atom:
            figures["timed_energy_by_size_meV_atom_max"] = max(self._size_meV_atom)
        if self._force_ratios:
            figures["timed_force_ratio_min"] = min(self._force_ratios)
            figures["timed_force_ratio_max"] = max(self._force_ratios)
        return figures

    def disqualification(self) -> str:
        """Say why the times cannot be scored; empty where they can."""
        energy = max(self._again_beyond_rounding_meV_atom, default=0.0)
        force = max(self._again_eV_A, default=0.0)
        if energy > AGAIN_TOLERANCE_MEV_ATOM or force > AGAIN_TOLERANCE_EV_A:
            return (
                "A structure that was timed got another answer when it was asked again without "
                f"the clock: {energy:.3g} meV/atom and {force:.3g} eV/Å apart. Times of answers "
                "that are not the potential's are not scored."
            )
        if self._unanswered:
            return (
                f"Large cells of {', '.join(sorted(self._unanswered))} were answered while a clock "
                "ran, and a small one without it was not. Nothing tells whether those times are of "
                "the potential's answers, so they are not scored."
            )
        by_size = max(self._size_beyond_rounding_meV_atom, default=0.0)
        ratio = max((max(r, 1 / max(r, 1e-9)) for r in self._force_ratios), default=1.0)
        if by_size > self._size_tolerance_meV_atom or ratio > _LARGEST_RATIO:
            return (
                "Timed cells got other answers than a small cell of the same crystal: energies "
                f"{by_size:.3g} meV/atom apart, forces by a factor of {ratio:.3g}. Times of "
                "answers that are not the potential's are not scored."
            )
        return ""


def _composition(numbers: IntArray) -> tuple[tuple[int, int], ...]:
    """Atomic numbers with their counts in lowest terms."""
    counts = Counter(int(z) for z in numbers)
    divisor = gcd(*counts.values())
    return tuple(sorted((z, n // divisor) for z, n in counts.items()))
