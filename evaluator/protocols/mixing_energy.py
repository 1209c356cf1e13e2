"""Mixing energies: fixed orderings of alloys against the elements, by single points.

The energy of mixing of an ordering is E - Σ n_i e_i over its number of atoms, e_i the lowest energy
per atom that the same potential gives to any of the set's cells of the element. So neither energies
of isolated atoms nor corrections linear in composition have a part in it.

A system of one element is such a cell (``cells_A`` may hold more of them, strained, nine numbers
a row); every other system is an ordering with ``mixing_energy_meV_atom``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from evaluator.protocols.compared import Compared
from evaluator.protocols.groups import (
    lowest_sample,
    members_by_group,
    order_sample,
    predicted_column,
    reference_column,
    require_array,
    require_number,
    sample_of,
    slope_sample,
)
from evaluator.protocols.single_point import single_point

#: Fewer orderings of a composition have hardly an order.
_LEAST_AT_COMPOSITION = 10
_ENERGY, _MIXING = "energy_per_atom_eV", "mixing_energy_meV_atom"


class MixingEnergyProtocol(Protocol):
    """Energies of orderings against those of the elements."""

    name = "mixing_energy"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        elements = {_elements(system) for system in systems if _is_element(system)}
        for system in systems:
            require_periodic(system)
            if _is_element(system):
                if "cells_A" in system.reference:
                    require_array(system, "cells_A", 9)
                continue
            require_number(system, _MIXING)
            for symbol in _elements(system).split("-"):
                if symbol not in elements:
                    raise UnsuitableReference(
                        f"{system.id} holds {symbol}, of which the set has no cell: add a system "
                        f"of {symbol} alone."
                    )
        if len(systems) == sum(_is_element(system) for system in systems):
            raise UnsuitableReference("The set holds elements alone, and no alloy to be judged.")

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        energies = [single_point(atoms, calculator).energy for atoms in _cells(system)]
        return Outcome(
            values={
                "formula": material(system.atoms),
                _ENERGY: min(energies) / len(system.atoms),
                "n_cells": len(energies),
            }
        )

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        predicted, reference = _mixing(systems, outcomes), _known(systems)
        is_alloy = np.array([not _is_element(system) for system in systems], dtype=bool)
        tolerance = parameters["degeneracy_meV_atom"]
        alloys, compositions = _groups(systems), self._compositions(systems)
        samples = {
            "mixing_energy_mae": sample_of(np.abs(predicted - reference), is_alloy),
            "mixing_energy_slope_median": slope_sample(alloys, predicted, reference),
            "mixing_order_score": order_sample(alloys, predicted, reference),
            "mixing_order_at_composition_score": order_sample(
                compositions, predicted, reference, _LEAST_AT_COMPOSITION
            ),
            "ground_state_score": lowest_sample(compositions, predicted, reference, tolerance),
        }
        rows = [{_MIXING: float(v)} if np.isfinite(v) else {} for v in predicted]
        return samples, rows

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """An ideal solution: no energy of mixing, and no order; a guess among the orderings."""
        known, tolerance = _known(systems), parameters["degeneracy_meV_atom"]
        by_chance = np.full(len(systems), np.nan)
        for members in members_by_group(self._compositions(systems)).values():
            lowest = known[members].min() + tolerance
            by_chance[members] = np.mean(known[members] <= lowest)
        return {
            "mixing_energy_mae": np.abs(known),
            "mixing_order_score": np.ones(len(systems)),
            "mixing_order_at_composition_score": np.ones(len(systems)),
            "ground_state_score": 1 - by_chance,
        }

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        found = Compared(
            name=_MIXING, predicted=_mixing(systems, outcomes), reference=_known(systems)
        )
        return {
            **found.summary(),
            f"{_MIXING}_by_alloy": found.by_group(_groups(systems)),
            "energy_of_elements_eV_atom": _energies_of_elements(systems, outcomes),
        }

    def _compositions(self, systems: Sequence[System]) -> list[str]:
        return ["" if _is_element(s) else material(s.atoms) for s in systems]


def _elements(system: System) -> str:
    """The symbols of a system, "Mo-Ta"."""
    return "-".join(sorted(set(system.atoms.get_chemical_symbols())))


def _is_element(system: System) -> bool:
    return len(set(system.atoms.numbers)) == 1


def _groups(systems: Sequence[System]) -> list[str]:
    return ["" if _is_element(system) else _elements(system) for system in systems]


def _known(systems: Sequence[System]) -> FloatArray:
    """Reference mixing energies; NaN of elements, which have none."""
    known = reference_column(systems, _MIXING)
    return np.where([_is_element(s) for s in systems], np.nan, known)


def _cells(system: System) -> list[Atoms]:
    """The structure, and the same fractional coordinates in each further cell of an element."""
    structures = [system.atoms]
    if _is_element(system) and "cells_A" in system.reference:
        for cell in np.reshape(system.reference["cells_A"], (-1, 3, 3)):
            strained: Atoms = system.atoms.copy()
            strained.set_cell(cell, scale_atoms=True)
            structures.append(strained)
    return structures


def _energies_of_elements(
    systems: Sequence[System], outcomes: Sequence[Outcome | None]
) -> dict[str, float]:
    """The lowest energy per atom of each element; without those of which a cell has failed."""
    energies: dict[str, float] = {}
    failed = set()
    for system, outcome in zip(systems, outcomes, strict=True):
        if not _is_element(system):
            continue
        symbol = _elements(system)
        if outcome is None:
            failed.add(symbol)
        else:
            energy = float(outcome.values[_ENERGY])
            energies[symbol] = min(energy, energies.get(symbol, energy))
    return {symbol: energy for symbol, energy in energies.items() if symbol not in failed}


def _mixing(systems: Sequence[System], outcomes: Sequence[Outcome | None]) -> FloatArray:
    """Mixing energies in meV/atom; NaN of elements, and where alloy or element was not answered."""
    of_elements = _energies_of_elements(systems, outcomes)
    energies = predicted_column(outcomes, _ENERGY)
    mixing = np.full(len(systems), np.nan)
    for i, system in enumerate(systems):
        symbols = system.atoms.get_chemical_symbols()
        if _is_element(system) or not set(symbols) <= set(of_elements):
            continue
        mixing[i] = 1000 * (energies[i] - np.mean([of_elements[symbol] for symbol in symbols]))
    return mixing
