"""Errors of forces, and how soft a potential is.

Forces are in eV/Å, shape (n_atoms, 3); several structures are pooled by concatenation. Every
function takes ``predicted, reference`` in that order and refuses shapes that differ, empty
arrays and numbers that are not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray

#: Below this reference force, eV/Å, a direction is noise and its cosine is not judged.
COSINE_FLOOR_EV_A = 0.05
#: Below this RMS reference force, eV/Å, a structure near its minimum has no slope of its own.
SLOPE_RMS_FLOOR_EV_A = 0.05
#: A slope at or below this is no softening that a factor could mend: nothing is corrected.
SLOPE_FLOOR = 0.1


def checked_forces(
    predicted: FloatArray,
    reference: FloatArray,
    *,
    if_empty: str = "there are no forces to compare",
) -> tuple[FloatArray, FloatArray]:
    """Both as float arrays (n_atoms, 3). Raises ValueError for what cannot be compared."""
    predicted, reference = np.asarray(predicted, float), np.asarray(reference, float)
    if predicted.shape != reference.shape or predicted.ndim != 2 or predicted.shape[1] != 3:
        raise ValueError(
            f"forces must both be (n_atoms, 3), not {predicted.shape} and {reference.shape}"
        )
    if len(predicted) == 0:
        raise ValueError(if_empty)
    if not (np.isfinite(predicted).all() and np.isfinite(reference).all()):
        raise ValueError("forces must be finite")
    return predicted, reference


def force_mae(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean absolute error of the components, eV/Å."""
    predicted, reference = checked_forces(predicted, reference)
    return float(np.mean(np.abs(predicted - reference)))


def force_mean_square_error(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean square error of the components, (eV/Å)²."""
    predicted, reference = checked_forces(predicted, reference)
    return float(np.mean((predicted - reference) ** 2))


def force_magnitude_mae(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean over atoms of the absolute difference of the two forces' lengths, eV/Å."""
    predicted, reference = checked_forces(predicted, reference)
    lengths = np.linalg.norm(predicted, axis=1), np.linalg.norm(reference, axis=1)
    return float(np.mean(np.abs(lengths[0] - lengths[1])))


def force_vector_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """Length of the error vector of each atom, eV/Å, shape (n_atoms,)."""
    predicted, reference = checked_forces(predicted, reference)
    return np.asarray(np.linalg.norm(predicted - reference, axis=1))


def has_direction(
    reference: FloatArray, floor_eV_A: float = COSINE_FLOOR_EV_A
) -> NDArray[np.bool_]:
    """Atoms whose reference force is long enough to point anywhere, shape (n_atoms,)."""
    return np.asarray(np.linalg.norm(reference, axis=1) >= floor_eV_A)


def force_cosine_mean(
    predicted: FloatArray, reference: FloatArray, floor_eV_A: float = COSINE_FLOOR_EV_A
) -> float | None:
    """Mean cosine between the two forces over atoms with a direction; None if there is none.

    A predicted force of zero has no direction and counts as a cosine of zero.
    """
    predicted, reference = checked_forces(predicted, reference)
    judged = has_direction(reference, floor_eV_A)
    if not judged.any():
        return None
    dots = np.sum(predicted[judged] * reference[judged], axis=1)
    lengths = np.linalg.norm(predicted[judged], axis=1) * np.linalg.norm(reference[judged], axis=1)
    cosines = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    return float(np.mean(np.clip(cosines, -1.0, 1.0)))


def softening_slope(predicted: FloatArray, reference: FloatArray) -> float | None:
    """Slope through the origin of predicted against reference components; None at zero forces.

    Below one, the potential's energy surface is too soft (Deng et al., npj Comput. Mater. 11, 9).
    """
    predicted, reference = checked_forces(predicted, reference)
    square = float(np.sum(reference**2))
    return float(np.sum(predicted * reference)) / square if square > 0 else None


def has_slope(reference: FloatArray) -> bool:
    """Whether a structure's forces are large enough to judge its own softening slope."""
    return bool(np.sqrt(np.mean(np.square(reference))) >= SLOPE_RMS_FLOOR_EV_A)


def softening_line(predicted: FloatArray, reference: FloatArray) -> tuple[float, float] | None:
    """Slope and intercept (eV/Å) of the ordinary least-squares line; None at constant forces."""
    predicted, reference = checked_forces(predicted, reference)
    x, y = reference.ravel(), predicted.ravel()
    variance = float(np.var(x))
    if variance == 0:
        return None
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / variance
    return slope, float(y.mean() - slope * x.mean())


def force_corrected_mae(predicted: FloatArray, reference: FloatArray, slope: float) -> float:
    """Component MAE, eV/Å, after the predicted forces are divided by the slope.

    At a slope of ``SLOPE_FLOOR`` or less there is no softening to mend and nothing is divided.
    """
    predicted, reference = checked_forces(predicted, reference)
    corrected = predicted / slope if slope > SLOPE_FLOOR else predicted
    return float(np.mean(np.abs(corrected - reference)))


def errors_by_reference_length(
    errors: FloatArray, reference: FloatArray, edges_eV_A: tuple[float, ...]
) -> list[dict[str, float | int | None]]:
    """Mean error of the atoms whose reference force lies in each bin.

    Parameters
    ----------
    errors
        One error for each atom, eV/Å, shape (n_atoms,).
    reference
        Shape (n_atoms, 3).
    edges_eV_A
        Rising lower edges of the bins; the last bin is open.
    """
    lengths = np.linalg.norm(reference, axis=1)
    bins: list[dict[str, float | int | None]] = []
    for low, high in zip(edges_eV_A, (*edges_eV_A[1:], np.inf), strict=True):
        inside = (lengths >= low) & (lengths < high)
        bins.append(
            {
                "from_eV_A": low,
                "to_eV_A": None if np.isinf(high) else high,
                "n_atoms": int(inside.sum()),
                "error_eV_A": float(errors[inside].mean()) if inside.any() else None,
            }
        )
    return bins
