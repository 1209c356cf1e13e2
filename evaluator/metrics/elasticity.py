"""Elastic constants: from stresses of strained cells to moduli and stability.

Voigt's order is that of ASE, xx yy zz yz xz xy; shear strains are engineering strains, twice the
tensor's component. Stiffness in any unit of pressure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.arrays import FloatArray

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Moduli:
    """Bulk and shear modulus of a polycrystal, the mean of Voigt's and Reuss' bounds."""

    bulk: float
    shear: float


def deformation(component: int, amount: float) -> FloatArray:
    """The deformation gradient, shape (3, 3), symmetric, of one strain in Voigt's order."""
    gradient = np.eye(3)
    i, j = _VOIGT[component]
    if i == j:
        gradient[i, i] += amount
    else:
        gradient[i, j] += amount / 2
        gradient[j, i] += amount / 2
    return gradient


def stiffness(strains: FloatArray, stresses: FloatArray) -> FloatArray:
    """Symmetric stiffness (6, 6): slopes of each stress against each strain, by least squares.

    Parameters
    ----------
    strains
        Amounts of each of the six strains alone, shape (6, n); in pairs of both signs, so that
        even terms cancel.
    stresses
        Shape (6, n, 6), of the strained cells.
    """
    slopes = np.empty((6, 6))
    for component in range(6):
        amounts = strains[component] - strains[component].mean()
        slopes[:, component] = amounts @ stresses[component] / np.dot(amounts, amounts)
    return np.asarray((slopes + slopes.T) / 2)


def is_stable(tensor: FloatArray) -> bool:
    """Born's criterion: every strain costs energy."""
    return bool(np.linalg.eigvalsh(tensor).min() > 0)


def moduli(tensor: FloatArray) -> Moduli | None:
    """Voigt-Reuss-Hill (Hill, Proc. Phys. Soc. A 65, 349 (1952)); None where it is not stable."""
    if not is_stable(tensor):
        return None
    compliance = np.asarray(np.linalg.inv(tensor), dtype=np.float64)
    diagonal, mixed, shear = _sums(tensor)
    bulk_voigt = (diagonal + 2 * mixed) / 9
    shear_voigt = (diagonal - mixed + 3 * shear) / 15
    diagonal, mixed, shear = _sums(compliance)
    bulk_reuss = 1 / (diagonal + 2 * mixed)
    shear_reuss = 15 / (4 * diagonal - 4 * mixed + 3 * shear)
    return Moduli(bulk=(bulk_voigt + bulk_reuss) / 2, shear=(shear_voigt + shear_reuss) / 2)


def _sums(tensor: FloatArray) -> tuple[float, float, float]:
    """Of the components 11, 22, 33; 12, 13, 23; 44, 55, 66."""
    mixed = tensor[0, 1] + tensor[0, 2] + tensor[1, 2]
    return float(np.trace(tensor[:3, :3])), float(mixed), float(np.trace(tensor[3:, 3:]))
