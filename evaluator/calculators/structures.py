"""Structures on their way into a potential: checks, boxes for what is not periodic, stress.

Units are ASE's: Å, eV, eV/Å³.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from evaluator.calculators.base import UnsupportedStructure
from evaluator.wire import FloatArray, Structure


def to_atoms(structure: Structure) -> Atoms:
    """The structure as ASE has it, with arrays of its own.

    Its ``info`` holds the charge in e and the spin multiplicity 2S + 1 under the names that MACE,
    fairchem and Orb read.
    """
    return Atoms(
        info={"charge": structure.charge, "spin": structure.spin},
        numbers=structure.numbers.copy(),
        positions=structure.positions.copy(),
        cell=structure.cell.copy(),
        pbc=structure.pbc.copy(),
    )


def symbols_of(structure: Structure) -> set[str]:
    """The chemical symbols that occur. Raises UnsupportedStructure for what is no element."""
    numbers = set(structure.numbers.tolist())
    strange = sorted(z for z in numbers if not 0 < z < len(chemical_symbols))
    if strange:
        raise UnsupportedStructure(f"there is no element of atomic number {strange[0]}")
    return {chemical_symbols[z] for z in numbers}


def check_elements(structure: Structure, elements: Collection[str], what: str) -> None:
    """Raise UnsupportedStructure naming the elements that ``what`` does not know."""
    if len(structure.numbers) == 0:
        raise UnsupportedStructure("the structure has no atoms")
    unknown = sorted(symbols_of(structure) - set(elements))
    if unknown:
        raise UnsupportedStructure(f"{what} does not know {', '.join(unknown)}")


def periodic_cell(structure: Structure, clearance: float) -> FloatArray:
    """A full cell, shape (3, 3), for a model that only knows periodic structures.

    A direction that is not periodic gets a vector perpendicular to the periodic ones, longer by
    ``clearance`` (Å) than the structure reaches along it. With twice the model's cutoff no atom
    sees an image, and the box has no influence but through rounding.
    """
    periodic = np.asarray(structure.pbc, dtype=bool)
    cell = np.array(structure.cell, dtype=float)
    vectors = cell[periodic]
    if np.linalg.matrix_rank(vectors) < len(vectors):
        raise UnsupportedStructure("the cell vectors of the periodic directions span no volume")
    if periodic.all():
        return cell
    open_axes = np.eye(3) if len(vectors) == 0 else np.linalg.svd(vectors)[2][len(vectors) :]
    reach = np.ptp(structure.positions @ open_axes.T, axis=0) + clearance
    cell[~periodic] = open_axes * reach[:, np.newaxis]
    return cell


def voigt_stress(strain_gradient: NDArray[np.floating], structure: Structure) -> FloatArray | None:
    """Stress (6,) in eV/Å³ from dE/dstrain (3, 3) in eV; None where the cell has no volume.

    The volume is that of the structure's own cell, so that a vacuum box added for the model's
    sake does not thin the stress. Order xx yy zz yz xz xy, ASE's sign.
    """
    volume = abs(float(np.linalg.det(structure.cell)))
    if volume < 1e-6:
        return None
    stress = np.asarray(strain_gradient, dtype=float) / volume
    stress = (stress + stress.T) / 2
    return stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
