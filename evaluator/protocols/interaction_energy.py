"""Interaction energies of two molecules: E(both) - E(first) - E(second) at the same positions.

The reference holds ``interaction_energy_kcal_mol`` and ``n_first_atoms``: so many atoms, in
the order of the structure, make the first molecule. All three are asked about in one empty box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from scipy.spatial.distance import cdist

from evaluator.arrays import FloatArray
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    System,
    UnsuitableReference,
    require_systems,
)
from evaluator.protocols.compared import Compared, errors_of_zero
from evaluator.protocols.groups import (
    order_sample,
    require_number,
    slope_sample,
)
from evaluator.protocols.single_point import single_point

_ENERGY = "interaction_energy_kcal_mol"
_KCAL_MOL = units.kcal / units.mol


class InteractionEnergyProtocol(Protocol):
    """What molecules gain by their interaction."""

    name = "interaction_energy"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            if require_number(system, _ENERGY) == 0:
                raise UnsuitableReference(f"{system.id} needs an {_ENERGY} that is not zero.")
            n_first = require_number(system, "n_first_atoms", positive=True)
            if n_first != int(n_first) or n_first >= len(system.atoms):
                raise UnsuitableReference(
                    f"{system.id} has {len(system.atoms)} atoms: n_first_atoms is how many of them "
                    f"make the first molecule, not {n_first:g}."
                )
            if system.atoms.pbc.any():
                raise UnsuitableReference(f"{system.id} is periodic: molecules have no cell.")
            if system.atoms.info:
                raise UnsuitableReference(
                    f"{system.id} has a charge or a spin, and nothing says which of the two "
                    "molecules has it."
                )

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        return 3

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        n_first = int(system.reference["n_first_atoms"])
        both = boxed(system.atoms, parameters["vacuum_A"])
        together, first, second = (
            single_point(atoms, calculator).energy
            for atoms in (both, both[:n_first], both[n_first:])
        )
        distances = cdist(both.positions[:n_first], both.positions[n_first:])
        return Outcome(
            values={
                "formula": str(system.atoms.get_chemical_formula("hill")),
                _ENERGY: (together - first - second) / _KCAL_MOL,
                "energy_eV": together,
                "distance_A": float(distances.min()),
            }
        )

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        found, kinds = Compared.of(_ENERGY, systems, outcomes), _kinds(systems)
        return {
            **found.samples("interaction_energy"),
            "interaction_energy_slope_median": slope_sample(
                kinds, found.predicted, found.reference
            ),
            "interaction_order_score": order_sample(kinds, found.predicted, found.reference),
        }, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """Molecules that do not feel each other."""
        ones = np.ones(len(systems))
        return {
            **errors_of_zero("interaction_energy", _ENERGY, systems),
            "interaction_energy_slope_median": ones,
            "interaction_order_score": ones,
        }

    def reference_values(self, system: System) -> dict[str, Any]:
        return {_ENERGY: system.reference[_ENERGY]}

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        found = Compared.of(_ENERGY, systems, outcomes)
        return {**found.summary(), f"{_ENERGY}_by_kind": found.by_group(_kinds(systems))}


def boxed(molecules: Atoms, vacuum_A: float) -> Atoms:
    """A copy in a periodic box, so far from its images."""
    extent = np.ptp(molecules.positions, axis=0)
    box = Atoms(molecules.numbers, molecules.positions, cell=extent + vacuum_A, pbc=True)
    box.positions += (vacuum_A - 2 * molecules.positions.min(axis=0)) / 2
    return box


def _kinds(systems: Sequence[System]) -> list[str]:
    return [system.family or "all" for system in systems]
