"""The symmetry of supercells, as phonopy finds it, in a fraction of the time.

A supercell of n primitive cells has n times the space-group operations of the crystal, thousands
of them, and phonopy matches the atoms for each in turn. Here they are matched for the operations
of the crystal and for the pure translations alone; what the others do follows by composition. The
operations, the permutations and all that is made of them are phonopy's own, to the last integer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.cells import compute_all_sg_permutations
from phonopy.structure.symmetry import Symmetry

from evaluator.arrays import FloatArray

IntArray = NDArray[np.int64]


class FastPhonopy(Phonopy):
    """Phonopy whose supercell's symmetry is a SupercellSymmetry."""

    def _search_symmetry(self) -> None:
        self._symmetry: Any = SupercellSymmetry(self._supercell, self._symprec)


class SupercellSymmetry(Symmetry):
    """Symmetry of a supercell without magnetic moments."""

    def _set_symmetry_dataset(self) -> None:
        super()._set_symmetry_dataset()
        self._all_operations = self._symmetry_operations
        # The point group, which is made next, needs each rotation once, and looks for it at length.
        rotations = self._symmetry_operations["rotations"]
        first = np.sort(np.unique(rotations.reshape(-1, 9), axis=0, return_index=True)[1])
        self._symmetry_operations: Any = {
            name: operations[first] for name, operations in self._all_operations.items()
        }

    def _set_atomic_permutations(self) -> None:
        operations = self._symmetry_operations = self._all_operations
        rotations, translations = operations["rotations"], operations["translations"]
        kinds, first, kind_of = np.unique(
            rotations.reshape(-1, 9), axis=0, return_index=True, return_inverse=True
        )
        kind_of = kind_of.ravel()
        is_unit = (kinds == np.eye(3, dtype=np.int64).ravel()).all(axis=1)
        shifts = np.flatnonzero(is_unit[kind_of])

        # Each operation is the first one of its rotation, followed by a pure translation.
        shift_of = _find_shifts(translations - translations[first][kind_of], translations[shifts])
        if shift_of is None:  # what spglib found within its tolerance is no group
            super()._set_atomic_permutations()
            return
        by_rotation = self._permutations(rotations[first], translations[first])
        by_shift = self._permutations(rotations[shifts], translations[shifts])
        self._atomic_permutations = by_shift[shift_of[:, None], by_rotation[kind_of]]

    def _permutations(self, rotations: IntArray, translations: FloatArray) -> IntArray:
        return compute_all_sg_permutations(
            self._cell.scaled_positions,
            rotations,
            translations,
            np.array(self._cell.cell.T, order="C"),
            self._symprec,
            self._cell.totuple()[2],
            lang=self._lang,
        )

    def _get_site_symmetry(
        self,
        atom_number: int,
        lattice: FloatArray,
        positions: FloatArray,
        rotations: IntArray,
        translations: FloatArray,
        symprec: float,
    ) -> IntArray:
        """Rotations of the operations that leave the atom where it is, in their order."""
        position = positions[atom_number]
        moved = position - (rotations @ position + translations)
        stays = np.linalg.norm((moved - np.rint(moved)) @ lattice, axis=1) < symprec
        return np.array(rotations[stays], dtype=np.int64)


def _find_shifts(wanted: FloatArray, shifts: FloatArray) -> IntArray | None:
    """Find for each scaled vector the index of the shift that it is, modulo the cell.

    ``shifts`` are all n pure translations of the supercell; as they form a group, n times any of
    them is a lattice vector. None where a vector is no shift.
    """
    n = len(shifts)
    wanted_keys, keys = (np.rint(n * vectors).astype(np.int64) % n for vectors in (wanted, shifts))
    weights = np.array([n * n, n, 1])
    order = np.argsort(keys @ weights)
    sorted_keys = (keys @ weights)[order]
    places = np.searchsorted(sorted_keys, wanted_keys @ weights).clip(max=n - 1)
    if (sorted_keys[places] != wanted_keys @ weights).any():
        return None
    return np.asarray(order[places], dtype=np.int64)
