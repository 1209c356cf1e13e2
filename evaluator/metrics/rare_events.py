"""Errors of the forces on migrating atoms, after Liu, He and Mo.

npj Comput. Mater. 9, 174 (2023), doi:10.1038/s41524-023-01123-3. Forces are in eV/Å, shape
(n_atoms, 3), of migrating atoms only; atoms of several structures are pooled by concatenation.

A score is the area under the cumulative distribution of an error up to a stated limit, divided by
the limit. It is linear in the distribution: the score of pooled atoms is the mean of the scores of
the structures that they belong to, each with its number of atoms as weight.
"""

from __future__ import annotations

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.metrics.forces import checked_forces

#: The authors' grid: so many points from zero to the limit, both included.
N_GRID_POINTS = 50
MAGNITUDE_LIMIT_EV_A = 1.0
DIRECTION_LIMIT_DEG = 60.0


def magnitude_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """Absolute difference of the two forces' lengths for each atom, eV/Å, shape (n_atoms,)."""
    predicted, reference = _checked(predicted, reference)
    lengths = np.linalg.norm(predicted, axis=1), np.linalg.norm(reference, axis=1)
    return np.asarray(np.abs(lengths[0] - lengths[1]))


def direction_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """Angle between the two forces of each atom, degrees, shape (n_atoms,).

    A predicted force of no length points nowhere: 90 degrees, as random directions on average.
    Raises ValueError where a reference force has no length.
    """
    predicted, reference = _checked(predicted, reference)
    if not (np.linalg.norm(reference, axis=1) > 0).all():
        raise ValueError("a reference force of no length has no direction")
    # The arc tangent is exact for small angles, where the arc cosine loses half of the digits.
    sines = np.linalg.norm(np.cross(predicted, reference), axis=1)
    cosines = np.sum(predicted * reference, axis=1)
    angles = np.degrees(np.arctan2(sines, cosines))
    return np.where(np.linalg.norm(predicted, axis=1) > 0, angles, 90.0)


def cumulative_score(errors: FloatArray, limit: float) -> float:
    """Area under the cumulative distribution of the errors from zero to the limit, over the limit.

    1 where all errors are zero, 0 where all are beyond the limit. The area is that of the
    trapezoids on ``N_GRID_POINTS`` points, as published, so that errors which are small but not
    zero score at most 1 - 1/98.
    """
    errors = np.asarray(errors, float)
    if errors.ndim != 1 or len(errors) == 0 or not np.isfinite(errors).all():
        raise ValueError("errors must be finite numbers, one for each atom, and there must be one")
    grid = np.linspace(0.0, limit, N_GRID_POINTS)
    distribution = np.mean(errors[None, :] <= grid[:, None], axis=1)
    return float(np.trapezoid(distribution, grid)) / limit


def magnitude_score(predicted: FloatArray, reference: FloatArray) -> float:
    """S_F, 0 to 1: one minus it is the published magnitude error M."""
    return cumulative_score(magnitude_errors(predicted, reference), MAGNITUDE_LIMIT_EV_A)


def direction_score(predicted: FloatArray, reference: FloatArray) -> float:
    """S_θ, 0 to 1: one minus it is the published direction error A."""
    return cumulative_score(direction_errors(predicted, reference), DIRECTION_LIMIT_DEG)


def magnitude_mean_square(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean square of the magnitude errors, (eV/Å)²; its root is the published RE_F."""
    return float(np.mean(magnitude_errors(predicted, reference) ** 2))


def fraction_beyond(errors: FloatArray, threshold: float) -> float:
    """Share of the errors that are larger than the threshold."""
    errors = np.asarray(errors, float)
    if len(errors) == 0:
        raise ValueError("there are no errors")
    return float(np.mean(errors > threshold))


def _checked(predicted: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    return checked_forces(predicted, reference, if_empty="there are no migrating atoms")
