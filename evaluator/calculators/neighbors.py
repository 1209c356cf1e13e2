"""Pairs of atoms within a cutoff, in double precision, for models that read graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from evaluator.wire import FloatArray, Structure

_SAME_POINT_A = 1e-8  # closer pairs are one atom seen twice


@dataclass(frozen=True, eq=False)
class Pairs:
    """Directed pairs (n_pairs,), sorted by their first atom."""

    centers: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    #: Cell in which the neighbour lies, shape (n_pairs, 3), whole numbers.
    images: FloatArray
    distances_A: FloatArray


def find_pairs(structure: Structure, cell: FloatArray, cutoff_A: float) -> Pairs:
    """All pairs closer than a cutoff, in a cell (3, 3) that is periodic in every direction."""
    positions = np.ascontiguousarray(structure.positions, dtype=float)
    centers, neighbors, images, distances = find_points_in_spheres(
        positions,
        positions,
        r=cutoff_A,
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(cell),
        tol=_SAME_POINT_A,
    )
    is_pair = (centers != neighbors) | (distances > _SAME_POINT_A)
    return Pairs(centers[is_pair], neighbors[is_pair], images[is_pair], distances[is_pair])


def fractional(structure: Structure, cell: FloatArray) -> FloatArray:
    """Positions in units of the cell's vectors, shape (n_atoms, 3), not wrapped."""
    return np.asarray(np.linalg.solve(cell.T, structure.positions.T).T)
