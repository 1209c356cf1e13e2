"""What a whole set of forces tells beyond its scored numbers: by element, by size, by family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluator.metrics.forces import (
    COSINE_FLOOR_EV_A,
    errors_by_reference_length,
    force_mae,
    force_vector_errors,
    has_slope,
    softening_line,
    softening_slope,
)
from evaluator.protocols.base import FloatArray, Outcome, System

#: Lower edges of the bins of the reference force, eV/Å.
FORCE_BINS_EV_A = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)

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
    predicted = np.concatenate([p for _, p, _ in forces])
    reference = np.concatenate([r for _, _, r in forces])
    errors = force_vector_errors(predicted, reference)
    return {
        "softening": _softening(forces, predicted, reference),
        "force_mae_by_element": _by_element(forces, predicted, reference),
        "force_error_by_reference_force": errors_by_reference_length(
            errors, reference, FORCE_BINS_EV_A
        ),
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


def _by_element(
    forces: Sequence[Forces], predicted: FloatArray, reference: FloatArray
) -> dict[str, float]:
    symbols = np.concatenate([np.array(s.atoms.get_chemical_symbols()) for s, _, _ in forces])
    return {
        str(symbol): force_mae(predicted[symbols == symbol], reference[symbols == symbol])
        for symbol in np.unique(symbols)
    }


def _by_family(forces: Sequence[Forces]) -> dict[str, dict[str, float | int]]:
    families: dict[str, list[Forces]] = defaultdict(list)
    for item in forces:
        families[item[0].family].append(item)
    return {
        family: {
            "n_structures": len(items),
            "force_mae_eV_A": force_mae(
                np.concatenate([p for _, p, _ in items]), np.concatenate([r for _, _, r in items])
            ),
        }
        for family, items in sorted(families.items())
    }
