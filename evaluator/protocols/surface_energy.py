"""Surface energies: slabs against the crystal that they are cut from.

γ = (E_slab - n e) / 2A, with e the energy per atom of the crystal at the potential's own volume, so
that no strain of the bulk is counted as surface. A slab of the set is asked about as it is
("fixed"), or scaled to the potential's own lattice and relaxed ("relaxed").

Its reference holds ``surface_energy_eV_A2`` and the crystal: ``bulk_numbers``, ``bulk_cell_A`` at
the reference's lattice, ``bulk_scaled_positions``. The surfaces lie across the third cell vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from evaluator.arrays import FloatArray
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    System,
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
    slope_sample,
)
from evaluator.protocols.own_bulk import own_bulk, scaled
from evaluator.protocols.relaxation import relax_positions, structure_file
from evaluator.protocols.single_point import single_point

_GAMMA = "surface_energy_eV_A2"
#: Less is no vacuum: surfaces so near feel each other.
_LEAST_VACUUM_A = 5.0


class SurfaceEnergyProtocol(Protocol):
    """Surface energies of slabs, fixed or relaxed."""

    name = "surface_energy"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)
            require_number(system, _GAMMA, positive=True)
            _check_crystal(system)
            vacuum = vacuum_of(system.atoms)
            if vacuum < _LEAST_VACUUM_A:
                raise UnsuitableReference(
                    f"{system.id} has {vacuum:.1f} Å of vacuum along its third cell vector: a slab "
                    f"needs {_LEAST_VACUUM_A:g} Å or more there."
                )

    def expected_calls(self, parameters: Mapping[str, Any]) -> int:
        return 7 if parameters["geometry"] == "fixed" else 50

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        bulk = own_bulk(_crystal(system), calculator)
        values: dict[str, Any] = {
            "formula": material(system.atoms),
            "bulk_energy_eV_atom": bulk.energy_per_atom,
            "lattice_ratio": bulk.length_ratio,
        }
        files = {}
        if parameters["geometry"] == "fixed":
            slab = system.atoms
            energy = single_point(slab, calculator).energy
        else:
            slab = scaled(system.atoms, bulk.length_ratio)
            relaxed = relax_positions(
                slab,
                calculator,
                fmax_eV_A=parameters["fmax_eV_A"],
                max_steps=parameters["max_relaxation_steps"],
            )
            energy = relaxed.energy
            values |= {
                "n_relaxation_steps": relaxed.n_steps,
                "max_force_eV_A": relaxed.max_force_eV_A,
                "max_displacement_A": float(relaxed.displacements_A.max()),
            }
            files["relaxed.extxyz"] = structure_file(relaxed)
        excess = energy - len(slab) * bulk.energy_per_atom
        return Outcome(values={_GAMMA: excess / (2 * area_of(slab)), **values}, files=files)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        found = Compared.of(_GAMMA, systems, outcomes)
        materials = _materials(systems)
        return {
            **found.samples("surface_energy"),
            "surface_energy_slope_median": slope_sample(
                materials, found.predicted, found.reference
            ),
            "facet_order_score": order_sample(materials, found.predicted, found.reference),
        }, [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """A crystal that costs nothing to cut: γ = 0 for every facet."""
        ones = np.ones(len(systems))
        return {
            **errors_of_zero("surface_energy", _GAMMA, systems),
            "surface_energy_slope_median": ones,
            "facet_order_score": ones,
        }

    def reference_values(self, system: System) -> dict[str, Any]:
        return {_GAMMA: system.reference[_GAMMA]}

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        found = Compared.of(_GAMMA, systems, outcomes)
        return {**found.summary(), f"{_GAMMA}_by_material": found.by_group(_materials(systems))}


def area_of(slab: Atoms) -> float:
    """Of one surface: that which the first two cell vectors span."""
    a, b, _ = slab.cell.array
    return float(np.linalg.norm(np.cross(a, b)))


def vacuum_of(slab: Atoms) -> float:
    """The widest layer across the third cell vector that holds no atom's centre."""
    height = slab.get_volume() / area_of(slab)
    levels = np.sort(slab.get_scaled_positions()[:, 2])
    gaps = np.diff(np.append(levels, levels[0] + 1))
    return float(gaps.max() * height)


def _materials(systems: Sequence[System]) -> list[str]:
    return [material(system.atoms) for system in systems]


def _crystal(system: System) -> Atoms:
    known = system.reference
    return Atoms(
        np.rint(np.atleast_1d(known["bulk_numbers"])).astype(int),
        scaled_positions=np.reshape(known["bulk_scaled_positions"], (-1, 3)),
        cell=np.reshape(known["bulk_cell_A"], (3, 3)),
        pbc=True,
    )


def _check_crystal(system: System) -> None:
    """Refuse a slab whose crystal is not given, or is of another composition."""
    numbers = require_array(system, "bulk_numbers", 1)
    positions = require_array(system, "bulk_scaled_positions", 3)
    cell = require_array(system, "bulk_cell_A", 3)
    if len(cell) != 3 or len(positions) != len(numbers) or numbers.min() < 1:
        raise UnsuitableReference(
            f"{system.id} needs bulk_cell_A of three vectors and as many bulk_scaled_positions as "
            "bulk_numbers, atomic numbers."
        )
    require_periodic(System(id=f"The bulk of {system.id}", atoms=Atoms(cell=cell, pbc=True)))
    crystal = _crystal(system)
    if _shares(crystal) != _shares(system.atoms):
        raise UnsuitableReference(
            f"{system.id} is {material(system.atoms)}, but its bulk is {material(crystal)}: no "
            "energy of the crystal can be taken off."
        )


def _shares(atoms: Atoms) -> dict[str, Fraction]:
    counts = Counter(atoms.get_chemical_symbols())
    return {symbol: Fraction(n, len(atoms)) for symbol, n in counts.items()}
