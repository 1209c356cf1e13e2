"""Whether two structures are one crystal but for its volume, whatever cells they are given in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from leaderboard.lib.extxyz import ShownStructure

Floats = npt.NDArray[np.float64]

#: Of the neighbours of an atom that are compared, the share of each element is as in the crystal.
_N_NEIGHBOURS = 40
#: In units of the edge of a cube that holds one atom: about 110 neighbours lie within.
_CUTOFF = 3.0
#: Distances that differ by less, in these units, are the same.
_TOLERANCE = 2e-3
#: Larger cells are not compared: their distances are dear, and they are seldom perfect crystals.
_MOST_ATOMS = 16
#: Vectors between atoms and images. A thin cell, or one that is sheared a thousand times, has so
#: many images within the cutoff that they would fill the memory of a web process.
_MOST_VECTORS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A crystal without its volume."""

    #: Of the formula unit, by element: {"Na": 1, "Cl": 1}.
    composition: dict[str, int]
    n_atoms: int
    volume_per_atom_A3: float
    #: Distances of the nearest neighbours, by the elements of both, in cube roots of the volume per
    #: atom, ascending; averaged over the atoms of the first element.
    distances: dict[tuple[str, str], Floats]

    def is_that_of(self, other: Shape) -> bool:
        return self.composition == other.composition and all(
            bool(np.all(np.abs(own - other.distances[pair]) < _TOLERANCE))
            for pair, own in self.distances.items()
        )


def composition_of(symbols: Sequence[str]) -> dict[str, int]:
    """Atoms of each element in the formula unit.

    >>> composition_of(["Na", "Cl", "Na", "Cl"])
    {'Na': 1, 'Cl': 1}
    """
    counts = Counter(symbols)
    unit = gcd(*counts.values())
    return {symbol: n // unit for symbol, n in counts.items()}


def shape_of(structure: ShownStructure) -> Shape | None:
    """None of a molecule, a flat or skewed cell and a large one."""
    n_atoms, volume = len(structure.symbols), structure.volume
    if not volume or structure.cell is None or not 0 < n_atoms <= _MOST_ATOMS:
        return None
    edge_A = (volume / n_atoms) ** (1 / 3)
    cell, positions = np.array(structure.cell) / edge_A, np.array(structure.positions) / edge_A
    n_images = _images_of(cell)
    if n_atoms**2 * np.prod(2.0 * n_images + 1) > _MOST_VECTORS:
        return None
    composition = composition_of(structure.symbols)
    per_unit = sum(composition.values())
    symbols = np.array(structure.symbols)
    distances = _distances(cell, positions, n_images)
    shape: dict[tuple[str, str], Floats] = {}
    for a in composition:
        for b, n in composition.items():
            n_nearest = max(1, _N_NEIGHBOURS * n // per_unit)
            pairs = distances[symbols == a][:, symbols == b].reshape((symbols == a).sum(), -1)
            shape[a, b] = np.sort(pairs, axis=1)[:, :n_nearest].mean(axis=0)
    return Shape(
        composition=composition,
        n_atoms=n_atoms,
        volume_per_atom_A3=volume / n_atoms,
        distances=shape,
    )


def _images_of(cell: Floats) -> Floats:
    """How many images to each side lie within the cutoff, along each vector."""
    # Beside half an edge, as many edges as the cutoff is long across the planes of the lattice.
    n_images: Floats = np.ceil(_CUTOFF * np.linalg.norm(np.linalg.inv(cell), axis=0) + 0.5)
    return n_images


def _distances(cell: Floats, positions: Floats, n_images: Floats) -> Floats:
    """Distances of all atoms to all images of all atoms, shape (atoms, atoms, images).

    Those beyond the cutoff, and of an atom to itself, count as the cutoff.
    """
    fractional = positions @ np.linalg.inv(cell)
    between = fractional[None, :, :] - fractional[:, None, :]
    between -= np.round(between)
    axes = [np.arange(-n, n + 1) for n in n_images]
    images = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = (between[:, :, None, :] + images[None, None, :, :]) @ cell
    lengths = np.linalg.norm(vectors, axis=-1)
    return np.where(lengths > 1e-6, np.minimum(lengths, _CUTOFF), _CUTOFF)
