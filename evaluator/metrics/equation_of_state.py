"""Equations of state: the Birch-Murnaghan fit and the Δ gauge.

Volumes are per atom in Å³, energies per atom in eV, bulk moduli in eV/Å³ (ASE's units).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.utils.deltacodesdft import delta
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class NoMinimum(ValueError):
    """A curve without a minimum; a sentence says so."""


@dataclass(frozen=True, kw_only=True)
class EquationOfState:
    """Third-order Birch-Murnaghan: V0 in Å³/atom, B0 in eV/Å³, its pressure derivative."""

    volume: float
    bulk_modulus: float
    bulk_modulus_derivative: float


def fit_birch_murnaghan(volumes: FloatArray, energies: FloatArray) -> EquationOfState:
    """Fit E(V) by least squares.

    The Birch-Murnaghan energy is a cubic polynomial in x = V^(-2/3), so the fit is linear and
    exact (F. Birch, Phys. Rev. 71, 809 (1947); the Δ project fits in the same way). With p the
    polynomial, p'(x0) = 0 and p''(x0) > 0 at the minimum,
    B0 = 4/9 V0^(-7/3) p''(x0) and B0' = 4 + 2/3 x0 p'''(x0) / p''(x0).

    Parameters
    ----------
    volumes
        Å³, shape (n,), n ≥ 4, all different.
    energies
        eV, shape (n,).

    Raises
    ------
    NoMinimum
        Where the polynomial has no minimum at a positive volume.
    """
    if len(volumes) < 4 or volumes.shape != energies.shape:
        raise ValueError(f"four points or more are needed, got {len(volumes)} and {len(energies)}")
    unit = float(np.mean(volumes))  # a polynomial around x = 1 is well conditioned
    p = np.polynomial.Polynomial.fit((volumes / unit) ** (-2 / 3), energies, 3).convert()
    p2, p3 = p.deriv(2), p.deriv(3)
    roots: list[complex] = p.deriv().roots().tolist()
    minima = [
        root.real
        for root in roots
        if abs(root.imag) < 1e-12 and root.real > 0 and p2(root.real) > 0
    ]
    if not minima:
        raise NoMinimum("The fitted equation of state has no minimum.")
    x0 = min(minima, key=lambda x: abs(x - 1))
    v0 = x0 ** (-3 / 2)
    return EquationOfState(
        volume=v0 * unit,
        bulk_modulus=float(4 / 9 * v0 ** (-7 / 3) * p2(x0)) / unit,
        bulk_modulus_derivative=float(4 + 2 / 3 * x0 * p3(x0) / p2(x0)),
    )


def delta_gauge(predicted: EquationOfState, reference: EquationOfState) -> float:
    """Δ in meV/atom: RMS difference of the two curves within ±6 % of their mean volume.

    Both curves are set to zero at their own minimum (Lejaeghere et al., Science 351, aad3000).
    """
    return 1000.0 * float(
        delta(
            predicted.volume,
            predicted.bulk_modulus,
            predicted.bulk_modulus_derivative,
            reference.volume,
            reference.bulk_modulus,
            reference.bulk_modulus_derivative,
        )
    )
