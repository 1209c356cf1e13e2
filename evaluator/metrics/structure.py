"""Structure at temperature: how atoms stand around each other, and how well a mean is known.

Lengths in Å, errors in percent. Arrays run over frames, then atoms, then Cartesian axes.
"""

from __future__ import annotations

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.metrics.dynamics import nearby_distances


class RadialDistribution:
    """g(r) of all pairs of atoms in a cell of constant shape, gathered frame by frame.

    g is the density of other atoms at a distance over their mean density, (n - 1) / volume: it is
    one everywhere for an ideal gas of any size.
    """

    def __init__(self, cell: FloatArray, n_atoms: int, n_bins: int, r_max: float) -> None:
        """``n_bins`` of equal width up to ``r_max`` in Å.

        Raises ValueError where ``r_max`` is more than half the cell's least height: beyond, an
        atom and its image would be seen at once.
        """
        limit = largest_radius(cell)
        if not 0 < r_max <= limit * (1 + 1e-9):
            raise ValueError(f"{r_max=:.4g} Å must be at most half the cell's height, {limit:.4g}")
        self.edges = np.linspace(0.0, r_max, n_bins + 1)
        self.n_frames = 0
        self._cell, self._n_atoms = np.array(cell, dtype=float), n_atoms
        self._counts = np.zeros(n_bins)
        self._upper = np.triu_indices(n_atoms, 1)

    def add(self, positions: FloatArray) -> None:
        """Count one more frame, shape (n_atoms, 3)."""
        distances, _ = nearby_distances(positions, self._cell)
        self._counts += np.histogram(distances[self._upper], self.edges)[0]
        self.n_frames += 1

    def g(self) -> FloatArray:
        """Shape (n_bins,). Raises ValueError before the first frame."""
        if self.n_frames == 0:
            raise ValueError("no frame was counted")
        volume = abs(float(np.linalg.det(self._cell)))
        shells = 4 / 3 * np.pi * np.diff(self.edges**3)
        n_pairs = self.n_frames * self._n_atoms * (self._n_atoms - 1) / 2
        return np.asarray(self._counts * volume / (n_pairs * shells))


def largest_radius(cell: FloatArray) -> float:
    """Half the least height of a cell of shape (3, 3), in Å."""
    return float(0.5 / np.linalg.norm(np.linalg.inv(cell), axis=0).max())


def rdf_error(g: FloatArray, g_reference: FloatArray) -> float:
    """100 min(1, ∫ abs(g - g_ref) dr / ∫ abs(g_ref - 1) dr), in percent; bins of equal width.

    An ideal gas has an error of 100.

    Raises
    ------
    ValueError
        For different numbers of bins, numbers that are not finite, or a reference without
        structure (an ideal gas itself).
    """
    if g.shape != g_reference.shape or g.ndim != 1:
        raise ValueError(f"{g.shape=} and {g_reference.shape=} must be alike")
    if not (np.isfinite(g).all() and np.isfinite(g_reference).all()):
        raise ValueError("g(r) must be finite")
    structure = float(np.abs(g_reference - 1).sum())
    if structure == 0:
        raise ValueError("the reference has no structure to be compared with")
    return 100 * min(1.0, float(np.abs(g - g_reference).sum()) / structure)


def block_error(values: FloatArray, n_blocks: int = 5) -> float:
    """Standard error of the mean of a correlated series, from the means of successive blocks.

    Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989): right where a block is longer than the
    correlation. NaN for fewer values than two for each block.
    """
    if len(values) < 2 * n_blocks:
        return float("nan")
    means = [block.mean() for block in np.array_split(values, n_blocks)]
    return float(np.std(means, ddof=1) / np.sqrt(n_blocks))
