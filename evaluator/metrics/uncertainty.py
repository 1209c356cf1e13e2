"""Whether the uncertainties that a potential gives itself are those that its errors have.

Errors and standard deviations are of one unit, shape (n_systems,). Of normal errors with these
standard deviations both numbers are zero, up to chance.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from evaluator.arrays import FloatArray

#: Fewer tell nothing of a distribution.
MIN_SYSTEMS = 20
_BINS = 10
#: Of numbers beyond, squares are none; what is so small or large is told as if it were these.
_SMALLEST, _LARGEST = 1e-100, 1e100


def checked(errors: FloatArray, sigmas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both as float arrays with finite squares. Raises ValueError for what cannot be compared."""
    errors, sigmas = np.asarray(errors, float), np.asarray(sigmas, float)
    if errors.shape != sigmas.shape or errors.ndim != 1 or len(errors) < MIN_SYSTEMS:
        raise ValueError(
            f"errors and uncertainties must both be of at least {MIN_SYSTEMS} systems, not "
            f"{errors.shape} and {sigmas.shape}"
        )
    if not (np.isfinite(errors).all() and np.isfinite(sigmas).all() and (sigmas > 0).all()):
        raise ValueError("errors must be finite, and uncertainties finite and positive")
    return np.clip(errors, -_LARGEST, _LARGEST), np.clip(sigmas, _SMALLEST, _LARGEST)


def miscalibration_area(errors: FloatArray, sigmas: FloatArray) -> float:
    """Mean distance between the share of errors within central normal intervals and their level.

    0 to 0.5 (Kuleshov, Fenner and Ermon, ICML 2018; Tran et al., Mach. Learn.: Sci. Technol. 1,
    025006 (2020)): 0.5 where all errors are far beyond, or far below, what is said.
    """
    errors, sigmas = checked(errors, sigmas)
    # Level of the central interval whose edge each error is; sorted, the observed share rises
    # by 1/n at each, and the area between both follows piece by piece.
    levels = np.sort(2 * norm.cdf(np.abs(errors) / sigmas) - 1)
    edges = np.concatenate([[0.0], levels, [1.0]])
    area = 0.0
    for share, low, high in zip(
        np.arange(len(levels) + 1) / len(levels), edges[:-1], edges[1:], strict=True
    ):
        middle = min(max(share, low), high)
        area += ((middle - low) ** 2 + (high - middle) ** 2) / 2
        area += max(0.0, share - high) * (high - low) + max(0.0, low - share) * (high - low)
    return float(area)


def expected_normalized_calibration_error(errors: FloatArray, sigmas: FloatArray) -> float:
    """ENCE: mean over ten bins, by size of sigma, of |RMS sigma - RMS error| / RMS sigma.

    Levi, Gispan, Giladi and Fetaya, Sensors 22, 5540 (2022).
    """
    errors, sigmas = checked(errors, sigmas)
    order = np.argsort(sigmas, kind="stable")
    parts = []
    for part in np.array_split(order, min(_BINS, len(order) // 2)):
        expected = np.sqrt(np.mean(sigmas[part] ** 2))
        parts.append(abs(expected - np.sqrt(np.mean(errors[part] ** 2))) / expected)
    return float(np.mean(parts))
