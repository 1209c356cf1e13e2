"""Stress errors and pressure.

Stress comes in ASE's Voigt order xx yy zz yz xz xy, eV/Å³, positive under tension; results are
in GPa. Pressure is positive under compression.
"""

from __future__ import annotations

import numpy as np
from ase.units import GPa

from evaluator.arrays import FloatArray


def stress_errors(predicted: FloatArray, reference: FloatArray) -> FloatArray:
    """Predicted minus reference, GPa, shape (6,)."""
    predicted, reference = np.asarray(predicted, float), np.asarray(reference, float)
    if predicted.shape != (6,) or reference.shape != (6,):
        raise ValueError(f"stress must be (6,), not {predicted.shape} and {reference.shape}")
    if not (np.isfinite(predicted).all() and np.isfinite(reference).all()):
        raise ValueError("stress must be finite")
    return np.asarray((predicted - reference) / GPa)


def pressure(stress: FloatArray) -> float:
    """Minus a third of the trace, GPa."""
    return -float(np.mean(np.asarray(stress, float)[:3])) / GPa
