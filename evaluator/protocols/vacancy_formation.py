"""Formation energies of vacancies in crystals of one element.

E_v = E(N - 1) - (N - 1)/N E(N): the crystal relaxes within its space group, one atom is taken out
of a supercell of it, and the others relax in the cell that stays as it is. The supercell is the
reference's ``supercell_matrix`` (of the cell given), else as long as the task says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.calculators.calculator import Calculator

from evaluator.arrays import FloatArray
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    System,
    SystemFailure,
    UnsuitableReference,
    material,
    require_periodic,
    require_systems,
)
from evaluator.protocols.compared import Compared, errors_of_zero
from evaluator.protocols.groups import (
    order_sample,
    require_array,
    require_number,
)
from evaluator.protocols.relaxation import relax, relax_positions, right_handed, structure_file
from evaluator.protocols.single_point import single_point

_ENERGY = "vacancy_formation_eV"
#: Symmetry of the crystals of a set, which are ideal.
_SYMPREC_A = 1e-4
#: Share of the distance to the nearest neighbour: whoever goes farther has filled the vacancy.
_MOST_MOVED = 0.5
_MOST_ATOMS = 1000


class VacancyFormationProtocol(Protocol):
    """What it costs to take an atom out of a crystal."""

    name = "vacancy_formation"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)
            require_number(system, _ENERGY, positive=True)
            if len(set(system.atoms.numbers)) > 1:
                raise UnsuitableReference(
                    f"{system.id} is {material(system.atoms)}: only in a crystal of one element a "
                    "vacancy costs the same whatever the chemical potentials are."
                )
            if "supercell_matrix" not in system.reference:
                continue
            matrix = require_array(system, "supercell_matrix", 3)
            n_cells = abs(np.linalg.det(matrix)) if matrix.shape == (3, 3) else 0.0
            if not np.array_equal(matrix, np.rint(matrix)) or n_cells < 0.5:
                raise UnsuitableReference(
                    f"{system.id} needs a supercell_matrix of three rows of whole numbers."
                )
            if not 2 <= round(n_cells) * len(system.atoms) <= _MOST_ATOMS:
                raise UnsuitableReference(
                    f"The supercell of {system.id} has {round(n_cells) * len(system.atoms)} sites: "
                    f"2 to {_MOST_ATOMS} can be computed."
                )

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        return 50

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        crystal = relax(
            right_handed(system.atoms),
            calculator,
            fmax_eV_A=parameters["fmax_eV_A"],
            max_steps=parameters["max_relaxation_steps"],
            max_volume_change_percent=parameters["max_volume_change_percent"],
            symprec_A=_SYMPREC_A,
        )
        perfect = _supercell(crystal.atoms, system, parameters["supercell_length_A"])
        n_sites = len(perfect)
        share = (n_sites - 1) / n_sites * single_point(perfect, calculator).energy
        defect: Atoms = perfect.copy()
        del defect[0]
        unrelaxed = single_point(defect, calculator).energy - share
        relaxed = relax_positions(
            defect,
            calculator,
            fmax_eV_A=parameters["fmax_eV_A"],
            max_steps=parameters["max_relaxation_steps"],
        )
        farthest = float(relaxed.displacements_A.max())
        nearest = float(perfect.get_distances(0, range(1, n_sites), mic=True).min())
        if farthest > _MOST_MOVED * nearest:
            raise SystemFailure(
                f"The crystal with a vacancy left its basin: an atom went {farthest:.2f} Å, where "
                f"neighbours are {nearest:.2f} Å apart."
            )
        return Outcome(
            values={
                "formula": material(system.atoms),
                _ENERGY: relaxed.energy - share,
                "unrelaxed_formation_eV": unrelaxed,
                "volume_per_atom_A3": crystal.atoms.get_volume() / len(crystal.atoms),
                "volume_change_percent": crystal.volume_change_percent,
                "max_displacement_A": farthest,
                "max_force_eV_A": relaxed.max_force_eV_A,
                "n_relaxation_steps": relaxed.n_steps,
                "n_supercell_atoms": n_sites,
            },
            files={"relaxed.extxyz": structure_file(relaxed)},
        )

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        found = Compared.of(_ENERGY, systems, outcomes)
        return {
            **found.samples("vacancy_formation"),
            "vacancy_order_score": order_sample(
                _structures(systems), found.predicted, found.reference
            ),
        }, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """A crystal whose atoms are not held: a vacancy costs nothing."""
        return {
            **errors_of_zero("vacancy_formation", _ENERGY, systems),
            "vacancy_order_score": np.ones(len(systems)),
        }

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        found = Compared.of(_ENERGY, systems, outcomes)
        return {**found.summary(), f"{_ENERGY}_by_structure": found.by_group(_structures(systems))}


def _structures(systems: Sequence[System]) -> list[str]:
    return [system.family or "all" for system in systems]


def _supercell(crystal: Atoms, system: System, length_A: float) -> Atoms:
    matrix = system.reference.get("supercell_matrix")
    if matrix is None:
        heights = 1 / np.linalg.norm(np.linalg.inv(crystal.cell.array), axis=0)
        matrix = np.diag(np.ceil(length_A / heights - 1e-6))
    supercell = make_supercell(crystal, np.rint(np.reshape(matrix, (3, 3))))
    if not 2 <= len(supercell) <= _MOST_ATOMS:
        raise SystemFailure(
            f"The supercell would have {len(supercell)} sites: 2 to {_MOST_ATOMS} can be computed."
        )
    return Atoms(supercell.numbers, supercell.positions, cell=supercell.cell, pbc=True)
