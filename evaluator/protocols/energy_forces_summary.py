"""What a whole set tells beyond its scored numbers: by element, family, material, size of force
and energy.

A material is what structures of the same composition have in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.metrics.forces import (
    COSINE_FLOOR_EV_A,
    errors_by_reference_length,
    force_corrected_mae,
    force_mae,
    force_vector_errors,
    has_slope,
    softening_line,
    softening_slope,
)
from evaluator.metrics.stresses import stress_errors
from evaluator.protocols.base import Outcome, System

#: Lower edges of the bins of the reference force, eV/Å.
FORCE_BINS_EV_A = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Lower edges of the bins of the reference energy above its material's lowest, eV/atom.
ENERGY_BINS_eV = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)

#: Shares of the atoms at which the error that so many stay below is given.
ERROR_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: Cells along each axis of the parity histogram.
PARITY_CELLS = 48
#: The histogram spans this share of the reference components; the rest is counted beside it.
_PARITY_SHARE = 0.999

Forces = tuple[System, FloatArray, FloatArray]


def summarise(judged: Sequence[tuple[System, Outcome]]) -> dict[str, Any]:
    """JSON-ready numbers over the systems that did not fail; empty when there are no forces."""
    forces: list[Forces] = [
        (system, outcome.arrays["forces"], np.asarray(system.reference["forces"], dtype=float))
        for system, outcome in judged
        if "forces" in outcome.arrays and system.reference.get("forces") is not None
    ]
    if not forces:
        return {}
    predicted, reference = _pooled(forces)
    errors = force_vector_errors(predicted, reference)
    return {
        "softening": _softening(forces, predicted, reference),
        "softening_by_material": _by_material(forces),
        "force_error_shares": _error_shares(errors),
        "force_parity": force_parity(predicted, reference),
        "force_mae_by_element": _by_element(forces, predicted, reference),
        "force_error_by_reference_force": errors_by_reference_length(
            errors, reference, FORCE_BINS_EV_A
        ),
        "force_error_by_energy_above_minimum": _by_energy(forces),
        "force_mae_by_family": _by_family(forces),
        "force_cosine_floor_eV_A": COSINE_FLOOR_EV_A,
    }


def _softening(
    forces: Sequence[Forces], predicted: FloatArray, reference: FloatArray
) -> dict[str, float | None]:
    slopes = [s for _, p, r in forces if has_slope(r) and (s := softening_slope(p, r)) is not None]
    line = softening_line(predicted, reference)
    return {
        "slope_through_origin": softening_slope(predicted, reference),
        "slope_with_intercept": None if line is None else line[0],
        "intercept_eV_A": None if line is None else line[1],
        "slope_mean": float(np.mean(slopes)) if slopes else None,
        "slope_std": float(np.std(slopes)) if slopes else None,
        "fraction_below_one": float(np.mean(np.array(slopes) < 1)) if slopes else None,
    }


def _by_material(forces: Sequence[Forces]) -> dict[str, Any]:
    """Slopes of materials, each with the forces of all its structures, each counting once."""
    grouped: dict[str, list[Forces]] = defaultdict(list)
    for item in forces:
        grouped[material(item[0])].append(item)
    slopes, with_intercept, materials = [], [], []
    for name, items in sorted(grouped.items()):
        predicted, reference = _pooled(items)
        slope, line = softening_slope(predicted, reference), softening_line(predicted, reference)
        if has_slope(reference) and slope is not None and line is not None:
            slopes.append(slope)
            with_intercept.append(line[0])
            materials.append(
                {
                    "material": name,
                    "n_structures": len(items),
                    "slope_through_origin": slope,
                    "slope_with_intercept": line[0],
                    "force_mae_eV_A": force_mae(predicted, reference),
                    "force_corrected_mae_eV_A": force_corrected_mae(predicted, reference, slope),
                }
            )
    return {
        "materials": materials,
        "n_materials": len(slopes),
        "n_materials_without_slope": len(grouped) - len(slopes),
        "slope_mean": float(np.mean(slopes)) if slopes else None,
        "slope_median": float(np.median(slopes)) if slopes else None,
        "slope_std": float(np.std(slopes)) if slopes else None,
        "slope_with_intercept_mean": float(np.mean(with_intercept)) if slopes else None,
        "fraction_below_one": float(np.mean(np.array(slopes) < 1)) if slopes else None,
    }


def _error_shares(errors: FloatArray) -> list[dict[str, float]]:
    """The distribution of the atoms' force errors: the error that each share stays below."""
    limits = np.quantile(errors, ERROR_SHARES)
    return [
        {"share": share, "error_eV_A": float(limit)}
        for share, limit in zip(ERROR_SHARES, limits, strict=True)
    ]


def force_parity(predicted: FloatArray, reference: FloatArray) -> dict[str, Any]:
    """How many components lie where in the plane of reference and predicted force.

    Both axes run from minus to plus ``limit_eV_A`` in ``n_cells`` equal cells. ``cells`` holds
    (reference cell, predicted cell, count) of those that are not empty; ``n_outside`` counts the
    components beyond the frame.
    """
    x, y = reference.ravel(), predicted.ravel()
    limit = float(np.quantile(np.abs(x), _PARITY_SHARE)) or 1.0
    edges = np.linspace(-limit, limit, PARITY_CELLS + 1)
    counts = np.histogram2d(x, y, bins=(edges, edges))[0].astype(int)
    return {
        "limit_eV_A": limit,
        "n_cells": PARITY_CELLS,
        "cells": [[int(i), int(j), int(counts[i, j])] for i, j in np.argwhere(counts)],
        "n_outside": int(len(x) - counts.sum()),
    }


def material(system: System) -> str:
    """Reduced formula: structures with the same one differ in arrangement alone."""
    return str(system.atoms.symbols.formula.reduce()[0].format("hill"))


def energies_above_minimum(systems: Sequence[System]) -> FloatArray:
    """Reference energy of each structure above its material's lowest, eV/atom.

    NaN for a material of one structure, which nothing can be compared with, and where a structure
    has no reference energy.
    """
    energies = np.array([float(s.reference.get("energy", np.nan)) / len(s.atoms) for s in systems])
    names = np.array([material(system) for system in systems])
    above = np.full(len(systems), np.nan)
    for name in np.unique(names):
        same = names == name
        if same.sum() > 1:
            above[same] = energies[same] - energies[same].min()
    return above


def _by_energy(forces: Sequence[Forces]) -> list[dict[str, float | int | None]]:
    """Errors near equilibrium against those high above it; empty where energies tell nothing."""
    above = energies_above_minimum([system for system, _, _ in forces])
    if not np.isfinite(above).any():
        return []
    bins: list[dict[str, float | int | None]] = []
    for low, high in zip(ENERGY_BINS_eV, (*ENERGY_BINS_eV[1:], np.inf), strict=True):
        inside = [item for item, e in zip(forces, above, strict=True) if low <= e < high]
        bins.append(
            {
                "from_eV_per_atom": low,
                "to_eV_per_atom": None if np.isinf(high) else high,
                "n_structures": len(inside),
                "force_mae_eV_A": force_mae(*_pooled(inside)) if inside else None,
                "slope_through_origin": softening_slope(*_pooled(inside)) if inside else None,
            }
        )
    return bins


def dummy_errors(systems: Sequence[System], energy_rmse: float | None) -> dict[str, float | None]:
    """Errors of a dummy on the whole set, which errors are divided by to compare sets.

    Zero forces, zero stress, and for energies the best that compositions tell
    (``energy_rmse``, eV/atom).
    """
    forces = [s.reference["forces"] for s in systems if s.reference.get("forces") is not None]
    stresses = [s.reference["stress"] for s in systems if s.reference.get("stress") is not None]
    force = np.concatenate(forces) if forces else None
    stress_values = np.array([stress_errors(np.zeros(6), np.asarray(s)) for s in stresses])
    return {
        "energy_rmse_meV_per_atom": None if energy_rmse is None else 1000 * energy_rmse,
        "force_mae_eV_A": None if force is None else float(np.mean(np.abs(force))),
        "force_rmse_eV_A": None if force is None else float(np.sqrt(np.mean(np.square(force)))),
        "stress_mae_GPa": float(np.mean(np.abs(stress_values))) if stresses else None,
        "stress_rmse_GPa": float(np.sqrt(np.mean(stress_values**2))) if stresses else None,
    }


def _by_element(
    forces: Sequence[Forces], predicted: FloatArray, reference: FloatArray
) -> dict[str, float]:
    symbols = np.concatenate([np.array(s.atoms.get_chemical_symbols()) for s, _, _ in forces])
    return {
        str(symbol): force_mae(predicted[symbols == symbol], reference[symbols == symbol])
        for symbol in np.unique(symbols)
    }


def _by_family(forces: Sequence[Forces]) -> dict[str, dict[str, float | int | None]]:
    families: dict[str, list[Forces]] = defaultdict(list)
    for item in forces:
        families[item[0].family].append(item)
    table: dict[str, dict[str, float | int | None]] = {}
    for family, items in sorted(families.items()):
        predicted, reference = _pooled(items)
        table[family] = {
            "n_structures": len(items),
            "force_mae_eV_A": force_mae(predicted, reference),
            "force_structure_mae_eV_A": float(np.mean([force_mae(p, r) for _, p, r in items])),
            "slope_through_origin": softening_slope(predicted, reference),
        }
    return table


def _pooled(forces: Sequence[Forces]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([p for _, p, _ in forces]), np.concatenate([r for _, _, r in forces])
