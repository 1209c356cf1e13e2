"""How values of several systems go with their references: slope, order, sign of the error.

Predicted and reference are arrays (n,) of one unit, without NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from evaluator.arrays import FloatArray

#: Fewer values have no order worth a correlation.
LEAST_RANKED = 3


def slope_through_origin(predicted: FloatArray, reference: FloatArray) -> float | None:
    """Σ p r / Σ r², as Deng et al. judge softening; None where every reference is zero."""
    square = float(np.dot(reference, reference))
    with np.errstate(over="ignore", invalid="ignore"):  # of answers that are absurd
        product = float(np.dot(predicted, reference))
    return product / square if square > 0 else None


def rank_correlation(predicted: FloatArray, reference: FloatArray) -> float | None:
    """Spearman's ρ, ties at their mean rank; 0 where all predictions are the same.

    None of fewer than three values, and where the reference itself has no order.
    """
    if len(reference) < LEAST_RANKED:
        return None
    ranks = rankdata(predicted) - (len(predicted) + 1) / 2
    known = rankdata(reference) - (len(reference) + 1) / 2
    spread = float(np.dot(known, known))
    if spread == 0:
        return None
    own = float(np.dot(ranks, ranks))
    return float(np.dot(ranks, known)) / (own * spread) ** 0.5 if own > 0 else 0.0


def agreement(predicted: FloatArray, reference: FloatArray) -> dict[str, Any]:
    """Of values in one unit: their number, MAE, mean signed error, slope, order, share too low."""
    errors = predicted - reference
    n = len(errors)
    return {
        "n": n,
        "mae": float(np.abs(errors).mean()) if n else None,
        "mean_signed_error": float(errors.mean()) if n else None,
        "below_reference_percent": 100 * float(np.mean(errors < 0)) if n else None,
        "slope": slope_through_origin(predicted, reference),
        "rank_correlation": rank_correlation(predicted, reference),
    }


def has_lowest(predicted: FloatArray, reference: FloatArray, tolerance: float) -> bool:
    """Whether the lowest prediction is the reference's lowest, or within ``tolerance`` of it.

    A prediction of NaN is none; the reference's lowest counts whether it was predicted or not.
    """
    lowest = int(np.argmin(np.where(np.isfinite(predicted), predicted, np.inf)))
    return bool(reference[lowest] <= reference.min() + tolerance)
