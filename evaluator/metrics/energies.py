"""Energies of different compositions on one scale.

Two codes, pseudopotentials or correction schemes differ by an arbitrary energy per element,
which no force, barrier or phase at fixed composition depends on. The shift takes it off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from evaluator.arrays import FloatArray


def composition_fractions(
    numbers: Sequence[NDArray[np.integer]],
) -> tuple[FloatArray, tuple[str, ...]]:
    """Share of each element in each structure, shape (n_structures, n_elements), and its symbols.

    ``numbers`` holds the atomic numbers of each structure.
    """
    counts = np.array([np.bincount(n, minlength=len(chemical_symbols)) for n in numbers])
    elements = np.flatnonzero(counts.any(axis=0))
    fractions = counts[:, elements] / counts.sum(axis=1, keepdims=True)
    return fractions, tuple(chemical_symbols[z] for z in elements)


def composition_shift(energy_errors: FloatArray, fractions: FloatArray) -> FloatArray:
    """Energy of each element, eV/atom, that explains most of the errors per atom.

    Least squares with equal weight to each structure; the shortest of the solutions where the
    compositions do not tell elements apart.

    Parameters
    ----------
    energy_errors
        Predicted minus reference, eV/atom, shape (n_structures,).
    fractions
        Shape (n_structures, n_elements), rows sum to one.
    """
    if len(energy_errors) == 0:
        return np.zeros(fractions.shape[1])
    shift, *_ = np.linalg.lstsq(fractions, energy_errors, rcond=1e-10)
    return np.asarray(shift, dtype=float)


def energy_spacing(energies_eV: Sequence[float]) -> float:
    """The steps in eV in which these energies come, judged by the type that holds them all.

    All-electron energies of -40,000 eV an atom come in steps of 0.004 eV in single precision.
    """
    values = np.asarray(energies_eV, dtype=np.float64)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    largest = np.abs(single if np.array_equal(single, values) else values).max(initial=0)
    return float(np.spacing(largest))
