"""Doubts about energies that do not grow with the number of atoms: total or per atom?

The energy of a structure is extensive: about a sum over its atoms of what each element brings.
Where energies per atom (or their squares, as it were: totals multiplied once more) fit such a sum
far better than the totals do, the wrong unit was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

#: A set of one size, or nearly, tells nothing.
_LEAST_RATIO_OF_SIZES = 1.5
#: How much better the other reading must fit, and how well.
_TIMES_BETTER = 8.0
_GOOD_FIT = 0.1
_MOST_ATOMS_OF_A_CLUSTER = 1


def energy_doubts(frames: Sequence[Atoms], energy_unit: str) -> list[str]:
    """Say where another unit of the energy would make it extensive; at most one sentence."""
    judged = [f for f in frames if "energy" in f.calc.results and _is_condensed(f)]
    sizes = np.array([len(frame) for frame in judged])
    if not judged or sizes.max() / sizes.min() < _LEAST_RATIO_OF_SIZES:
        return []
    energies = np.array([frame.calc.results["energy"] for frame in judged])
    fractions, n_elements = _fractions(judged)
    if len(judged) < 2 * n_elements + 2 or not energies.any():
        return []
    misfit = {power: _misfit(energies / sizes**power, fractions) for power in (0, 1, 2)}
    best = min(misfit, key=lambda power: misfit[power])
    if best == 1 or misfit[best] > _GOOD_FIT or misfit[1] < _TIMES_BETTER * misfit[best]:
        return []
    return [_sentence(judged, best, energy_unit)]


def _is_condensed(frame: Atoms) -> bool:
    """Isolated atoms have another energy than bound ones, and say nothing of sizes."""
    return len(frame) > _MOST_ATOMS_OF_A_CLUSTER or bool(frame.pbc.all())


def _fractions(frames: Sequence[Atoms]) -> tuple[NDArray[np.float64], int]:
    """Share of each element in each structure, shape (n_frames, n_elements)."""
    elements = sorted({int(number) for frame in frames for number in frame.numbers})
    counts = np.array([np.bincount(f.numbers, minlength=119)[elements] for f in frames], float)
    return counts / counts.sum(axis=1, keepdims=True), len(elements)


def _misfit(values: NDArray[np.float64], fractions: NDArray[np.float64]) -> float:
    """Root mean square of what a sum over elements leaves, over that of the values."""
    weights, *_ = np.linalg.lstsq(fractions, values, rcond=None)
    rest = values - fractions @ weights
    return float(np.sqrt((rest**2).mean() / (values**2).mean()))


def _sentence(frames: Sequence[Atoms], power: int, energy_unit: str) -> str:
    small = min(frames, key=len)
    alike = [f for f in frames if set(f.numbers) == set(small.numbers)] or list(frames)
    large = max(alike, key=len)
    shown = " and ".join(
        f"{f.info['system_id']} ({len(f)} atoms) {f.calc.results['energy']:.6g} eV"
        for f in (small, large)
    )
    advice = "eV/atom" if power == 0 else "eV"
    what = "per atom" if power == 0 else "totals already"
    return (
        f"Energies do not grow with the number of atoms as those of whole structures do: {shown}. "
        f"Are they {what}? They are read in {energy_unit}; energy_unit {advice} would fit."
    )
