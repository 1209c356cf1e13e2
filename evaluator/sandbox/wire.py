"""The wire between the trusted driver and a sandboxed calculator.

Imported on both sides of the wall; numpy, msgpack and the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A structure to be judged.

    numbers (n_atoms,), positions (n_atoms, 3) in Å, cell (3, 3) in Å with rows as vectors,
    pbc (3,) bool.
    """

    numbers: IntArray
    positions: FloatArray
    cell: FloatArray
    pbc: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """A calculator's answer: energy in eV, forces (n_atoms, 3) in eV/Å, stress (6,) in eV/Å³.

    Stress is in ASE's Voigt order xx yy zz yz xz xy and ASE's sign. Optional are stress, magnetic
    moments (n_atoms,) in μ_B, and the energy's uncertainty in eV.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None = None
    magmoms: FloatArray | None = None
    energy_uncertainty: float | None = None
